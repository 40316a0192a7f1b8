"""One file's content, with the facts that belong to exactly that content (S-Files-10, S-LocalFile-10)."""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import NamedTuple

from coco.errors import SourceReadError

# No O_NONBLOCK effect on files; it keeps a pipe that took a file's place from blocking the reader.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FORMAT_MASK = 0o170000
_BOMS = ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be"))
# An empty, "." or ".." component, a NUL; on systems with drives also "\" and ":".
_UNSAFE = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)|\0" + (r"|[\\:]" if os.sep == "\\" else ""))


class Content(NamedTuple):
    """``data`` is None when only the facts were asked for, which are those from before the reading."""

    data: bytes | None
    mtime_ns: int
    size: int


def path_of(root: str, key: str) -> str:
    """Absolute path of the file that ``key`` names.

    ``root`` ends with a separator. Raises ``SourceReadError`` for a key that is no plain relative path:
    such a key comes from no listing, and it could name a file outside the root.
    """
    if _UNSAFE.search(key):
        raise SourceReadError(
            f"{key!r} is not the name of a file under {root}: "
            "names are relative, '/' separated, without '.' or '..'"
        )
    return root + key


def read_file(path: str, max_size: int | None, *, with_data: bool = True) -> Content | None:
    """Content of a regular file; None if there is no such file or it is larger than ``max_size`` bytes.

    Size and time are those of the open file *before* reading: if it changes meanwhile, the next listing
    differs from what is returned here and the file is read again. Raises ``SourceReadError`` naming the path.
    """
    try:
        if not with_data:
            return _facts(os.stat(path), max_size)
        descriptor = os.open(path, _FLAGS)
        try:
            facts = _facts(os.fstat(descriptor), max_size)
            if facts is None:
                return None
            # One byte more than expected: a short answer then is the end of the file, without a second call.
            data = os.read(descriptor, facts.size + 1)
            if len(data) != facts.size or not data:
                data = _read_on(descriptor, data)
            if max_size is not None and len(data) > max_size:
                return None
            return Content(data, facts.mtime_ns, facts.size)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return None
    except OSError as error:
        if _is_gone(path):
            return None
        raise SourceReadError(f"cannot read {path}: {error.strerror or error}") from error


def _facts(found: os.stat_result, max_size: int | None) -> Content | None:
    if found.st_mode & _FORMAT_MASK != stat.S_IFREG or (max_size is not None and found.st_size > max_size):
        return None
    return Content(None, found.st_mtime_ns, found.st_size)


def _read_on(descriptor: int, data: bytes) -> bytes:
    """The rest of a file that grew, or of one whose system answers in pieces."""
    parts = [data]
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _is_gone(path: str) -> bool:
    # Sockets cannot be opened, and Windows refuses directories: neither is an unreadable file.
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def decode_text(data: bytes) -> tuple[str, bool]:
    """(text, whether it decoded cleanly).

    UTF-8, or UTF-16 with a byte order mark; a mark is dropped. What does not decode becomes U+FFFD.
    """
    encoding = "utf-8"
    if data.startswith(BOM_UTF8):
        data = data[len(BOM_UTF8) :]
    else:
        for mark, name in _BOMS:
            if data.startswith(mark):
                data, encoding = data[len(mark) :], name
                break
    try:
        return data.decode(encoding), True
    except UnicodeDecodeError:
        return data.decode(encoding, "replace"), False
