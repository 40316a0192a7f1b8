"""One file's content, with the facts that belong to exactly that content."""

from __future__ import annotations

import errno
import os
import re
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from typing import NamedTuple

from coco.errors import SourceReadError

# No O_NONBLOCK effect on files; it keeps a pipe that took a file's place from blocking the reader.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FORMAT_MASK = 0o170000
# The longest first: a mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
    (BOM_UTF8, "utf-8"),
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
)
_MARKED = {mark[:1] for mark, _ in _MARKS}
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
        if error.errno == errno.ELOOP or _is_gone(path):  # a link that leads to itself is no file
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

    UTF-8, or what a byte order mark says: UTF-8, UTF-16 or UTF-32; the mark is dropped. What does not decode becomes
    U+FFFD. A text in UTF-16 that begins with U+0000 looks like one in UTF-32; it is taken for what decodes.
    """
    first: tuple[bytes, str] | None = None
    for mark, encoding in _MARKS if data[:1] in _MARKED else ():
        if data.startswith(mark):
            rest = data[len(mark) :]
            try:
                return rest.decode(encoding), True
            except UnicodeDecodeError:
                first = first or (rest, encoding)
    if first is None:
        try:
            return data.decode("utf-8"), True
        except UnicodeDecodeError:
            first = (data, "utf-8")
    return first[0].decode(first[1], "replace"), False
