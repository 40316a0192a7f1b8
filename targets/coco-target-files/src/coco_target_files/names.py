"""From a key to the place of its file: the same on every machine, whatever else is in the folder.

A part of a path that is safe everywhere stands for itself. Any other one becomes a safe likeness, ``~``, and a
digest of the original; ``~`` is never safe, so two different keys have two different places. Safe means: lower-case
(unless the folder tells case apart), in Unicode's composed form, without characters or names that some system
reserves, not hidden, and not too long.

A text that is the first or only part of a key may hold ``/`` and is then a path; every further part is one
level. As the number of parts is fixed, nothing is ambiguous. Folders never end as files do.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from coco.kit.iso_text import EPOCH_DAY, date_out, uuid_out
from coco.typing import BasicValueType, FieldSchema, StructType, ValueType

MARK = "~"
DIGEST_CHARS = 10
MAX_PART_BYTES = 120
"""Leaves room for digest and suffix in the 255 bytes that file systems allow."""
MAX_PATH_BYTES = 700
MAX_LEVELS = 32

_PUNCTUATION = frozenset(" -_.,+=@()[]{}!#&'")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)
_PLAIN = r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9]) *(?:\.|\Z))[{0}][{0} .]{{0,118}}(?<![ .])"
_CHARS = r"0-9a-z\-_,+=@()\[\]{}!#&'"
_PLAIN_LOWER = re.compile(_PLAIN.format(_CHARS))
_PLAIN_CASED = re.compile(_PLAIN.format(_CHARS), re.IGNORECASE | re.ASCII)
"""Parts of a path that are safe at a glance; most are."""
_REMEMBERED = 4_096

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (a naive epoch is the point)

Text = Callable[[Any], str]


class KeyNames:
    """Places of the keys of one export.

    suffix: what file names end with. case_sensitive: whether names that differ in case only are two.
    """

    def __init__(self, key_fields: Sequence[FieldSchema], suffix: str, *, case_sensitive: bool) -> None:
        self._types = [item.value_type.type for item in key_fields]
        self._one_text = self._types == [BasicValueType("Str")]
        self._suffix = suffix
        self._case_sensitive = case_sensitive
        self._plain: Callable[[str], object] = (_PLAIN_CASED if case_sensitive else _PLAIN_LOWER).fullmatch
        self._folders: dict[str, str] = {}

    def path_of(self, key: tuple[Any, ...]) -> str:
        """Path below the folder, with ``/`` on every system."""
        leaves = self.texts_of(key)
        levels = [*leaves[0].split("/"), *leaves[1:]]
        parts = [self._folder(level) for level in levels[:-1]]
        parts.append(self._safe(levels[-1], is_folder=False) + self._suffix)
        path = "/".join(parts)
        if len(parts) > MAX_LEVELS or (4 * len(path) > MAX_PATH_BYTES < len(path.encode())):
            return f"{_likeness(levels[-1])}{MARK}{MARK}{_digest(json.dumps(leaves))}{self._suffix}"
        return path

    def texts_of(self, key: tuple[Any, ...]) -> list[str]:
        """The key's parts as texts, as they stand."""
        if self._one_text:
            return [key[0]]
        return [text for type_, part in zip(self._types, key, strict=True) for text in _leaves(type_, part)]

    def _folder(self, text: str) -> str:
        found = self._folders.get(text)
        if found is None:
            if len(self._folders) >= _REMEMBERED:
                self._folders.clear()
            found = self._folders[text] = self._safe(text, is_folder=True)
        return found

    def _safe(self, text: str, *, is_folder: bool) -> str:
        if self._is_safe(text) and not (is_folder and text.casefold().endswith(self._suffix)):
            return text
        return f"{_likeness(text)}{MARK}{_digest(text)}"

    def _is_safe(self, text: str) -> bool:
        if self._plain(text):
            return True
        if not text or text[0] in " ." or text[-1] in " ." or len(text.encode()) > MAX_PART_BYTES:
            return False
        if _device(text) or not all(map(_is_safe_char, text)):
            return False
        if text.isascii():
            return self._case_sensitive or not any(map(str.isupper, text))
        if text != unicodedata.normalize("NFC", text):
            return False
        # Systems differ in what they take for one letter; a text that no folding changes is safe with all of them.
        return self._case_sensitive or (
            unicodedata.normalize("NFKC", text).casefold() == text and text.upper().lower() == text
        )


def _is_safe_char(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char in _PUNCTUATION
    return unicodedata.category(char)[0] in "LMNS"


def _device(text: str) -> bool:
    return text.partition(".")[0].rstrip(" ").casefold() in _DEVICES


def _likeness(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    safe = "".join(char if _is_safe_char(char) else "_" for char in composed).lstrip(" .")
    safe = safe.encode()[:MAX_PART_BYTES].decode(errors="ignore").rstrip(" .") or "_"
    return f"_{safe}" if _device(safe) else safe


def _digest(text: str) -> str:
    return (
        base64.b32encode(hashlib.blake2b(text.encode(), digest_size=10).digest())
        .decode()[:DIGEST_CHARS]
        .lower()
    )


def _leaves(type_: ValueType, part: Any) -> list[str]:
    if isinstance(type_, StructType):
        pairs = zip(type_.fields, part, strict=True)
        return [text for item, value in pairs for text in _leaves(item.value_type.type, value)]
    return [_TEXTS[type_.kind](part)]


def _moment(microseconds: int) -> str:
    return (_EPOCH + datetime.timedelta(microseconds=microseconds)).strftime("%H-%M-%S.%f")


def _local(microseconds: int) -> str:
    days, rest = divmod(microseconds, 86_400_000_000)
    return f"{date_out(EPOCH_DAY + days)}_{_moment(rest)}"


_TEXTS: dict[str, Text] = {
    "Str": str,
    "Bytes": bytes.hex,
    "Bool": lambda value: "true" if value else "false",
    "Int64": str,
    "Uuid": uuid_out,
    "Date": date_out,
    "Time": _moment,
    "LocalDateTime": _local,
    "OffsetDateTime": lambda value: f"{_local(value[0])}z",
    "TimeDelta": lambda value: f"{value}us",
    "Range": lambda value: f"{value[0]}-{value[1]}",
}
"""Kind of a key part -> its text; different values have different texts."""
