"""Renders exceptions as text: one line with the place in the user's code, and the whole traceback.

The texts go into logs, messages and the state store. They hold no values of variables, and known secrets are masked:
passwords in URLs, values of auth entries and of ``coco.secret`` references, and literals that source code assigns to a name
such as ``api_key``. This runs for failures only, so it need not be fast.
"""

from __future__ import annotations

import dataclasses
import inspect
import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from coco.auth_registry import default_registry
from coco.errors import CocoError
from coco.ops.origin import distribution_of, is_installed_file
from coco.printable import printable
from coco.secrets import known_values, values_version
from coco.setting import env, mask_url
from coco.spec.meta import is_secret

MAX_MESSAGE = 2_000
MAX_TRACEBACK = 12_000
MAX_SOURCE = 160
MAX_CAUSES = 4
MAX_DECORATORS = 20
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_STANDARD = os.path.dirname(os.__file__)
_PREFIX = os.path.join(sys.prefix, "lib")
_PLACE = "__coco_place__"
_LEAST_SECRET = 6
"""Shorter secrets are not masked in texts, because ordinary words would contain them."""


class RemoteTraceback(Exception):
    """The traceback in a worker, as text. It is the cause of the exception that the worker sent."""

    def __str__(self) -> str:
        return f"\n\nin the worker:\n{self.args[0]}"


class Frame(NamedTuple):
    """A line of code that was running. ``source``: its text; empty if it cannot be read."""

    file: str
    line: int
    function: str
    source: str

    def __str__(self) -> str:
        source = masked(_masked_literals(self.source))
        if len(source) > MAX_SOURCE:
            source = source[: MAX_SOURCE - 3] + "..."
        text = f"at {self.file}:{self.line} in {self.function}"
        return printable(f"{text}: {source}" if source else text)


def user_frames(error: BaseException) -> list[Frame]:
    """Return the frames of an exception's traceback in the user's code, outermost first.

    Code of coco, click, the standard library and installed packages is not the user's. A package that is installed in place
    counts only if there is no other frame, and not for coco's own errors, whose text tells what is wrong.
    """
    own: list[Frame] = []
    in_place: list[Frame] = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        file, module = frame.f_code.co_filename, frame.f_globals.get("__name__", "")
        if not _may_be_users(file, module):
            continue
        source = linecache.getline(file, line, frame.f_globals).strip()
        found = Frame(file, line, frame.f_code.co_name, source)
        installed = not file.startswith("<") and module and distribution_of(module) is not None
        (in_place if installed else own).append(found)
    return own or ([] if isinstance(error, CocoError) else in_place)


def _may_be_users(file: str, module: str) -> bool:
    if file.startswith("<"):  # code that was typed at a prompt, or generated
        if module.partition(".")[0] == "coco" or file.startswith(("<frozen", "<coco", "<attrs", "<__")):
            return False
        return module == "__main__" or file in linecache.cache
    return not file.startswith((_PACKAGE, _STANDARD, _PREFIX)) and not is_installed_file(file)


def place_of(error: BaseException) -> str:
    """Return the place in the user's code where an exception was raised: ``at FILE:LINE in FUNCTION: SOURCE``.

    It is the innermost frame in the user's code, also for an exception of another process; empty text if there is none.
    """
    known = getattr(error, _PLACE, None)
    if isinstance(known, str):
        return known
    frames = user_frames(error)
    return str(frames[-1]) if frames else ""


def remember_place(error: BaseException, place: str) -> None:
    """Record the place of an exception that came from another process without its frames."""
    try:
        setattr(error, _PLACE, place)
    except AttributeError:  # exceptions with __slots__
        error.add_note(place)


def definition_of(target: Any) -> str:
    """Return ``slow is defined at FILE:LINE: SOURCE`` for a function or class of the user; empty text for another one."""
    inner = inspect.unwrap(target) if callable(target) else target
    code = getattr(getattr(inner, "__call__", None) if isinstance(inner, type) else inner, "__code__", None)  # noqa: B004
    module = getattr(inner, "__module__", None) or ""
    if code is None or not _may_be_users(code.co_filename, module) or distribution_of(module) is not None:
        return ""
    name, line = getattr(inner, "__name__", ""), code.co_firstlineno
    for number in range(line, line + MAX_DECORATORS):  # the first line may be a decorator
        source = linecache.getline(code.co_filename, number).strip()
        if source.startswith(("def ", "async def ", "class ")):
            return printable(
                f"{name} is defined at {code.co_filename}:{number}: {_masked_literals(source)[:MAX_SOURCE]}"
            )
    return printable(f"{name} is defined at {code.co_filename}:{line}")


def describe(error: BaseException, target: Any = None) -> str:
    """Return one line: type and text, the place in the user's code, notes, and the same for the causes.

    target: the function or class that was called; its place is added if no line of the user's code was running. The line has
    at most ``MAX_MESSAGE`` characters; a longer one is cut in the texts, and keeps the places.
    """
    parts: list[str] = []
    placed = False
    for item in _chain(error):
        text = named_text(item)
        place = "" if isinstance(item, BaseExceptionGroup) else place_of(item)  # its members have theirs
        said = " ".join(parts)
        if parts and (text in said or (not isinstance(item, CocoError) and text_of(item) in said)):
            text = ""  # the error that wraps it quotes it
        placed = placed or bool(place)
        if place and place in said:
            place = ""
        if len(text) > MAX_MESSAGE // 2:
            text = text[: MAX_MESSAGE // 2] + "..."
        notes = "".join(f"; {note}" for note in _notes(item) if note not in said)
        whole = f"{text}{notes}"
        if place:
            whole = f"{whole} ({place})".strip()
        if whole:
            parts.append(whole if not parts or not text else f"caused by {whole}")
    line = parts[0]
    for part in parts[1:]:
        line += f" {part}" if part.startswith("(") else f"; {part}"
    if not placed and target is not None and (definition := definition_of(target)):
        line += f" ({definition})"
    return storable(masked(line))[: MAX_MESSAGE * 2]


def named_text(error: BaseException) -> str:
    """Return ``TypeName: text``; for errors of coco itself, which are sentences, the text only."""
    text = text_of(error)
    name = type(error).__name__
    return text if isinstance(error, CocoError) or text == name else f"{name}: {text}"


def text_of(error: BaseException) -> str:
    """Return the text of an exception, or the name of its type if it has no text."""
    try:
        return str(error) or type(error).__name__
    except Exception as problem:
        return f"(its text cannot be read: {type(problem).__name__})"


def traceback_text(error: BaseException) -> str:
    """Return the whole traceback with its causes, as Python prints it, cut in the middle above ``MAX_TRACEBACK`` characters."""
    try:
        lines = "".join(traceback.format_exception(error)).split("\n")
    except Exception as problem:  # an exception class of the user's may do anything
        lines = [named_text(error), f"(its traceback cannot be read: {type(problem).__name__})"]
    text = "\n".join(_masked_literals(line) if line.startswith("    ") else line for line in lines)
    text = storable(masked(text)).rstrip()
    if len(text) > MAX_TRACEBACK:
        head, tail = text[: MAX_TRACEBACK // 4], text[-MAX_TRACEBACK * 3 // 4 :]
        text = f"{head}\n  ... {len(text) - len(head) - len(tail)} characters left out ...\n{tail}"
    return text


def storable(text: str) -> str:
    """Return text that every encoding and store accepts: halves of surrogate pairs become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes; of a group its first member."""
    current: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if current is None or isinstance(current, RemoteTraceback):
            return
        yield current
        if isinstance(current, BaseExceptionGroup):
            current = current.exceptions[0]
        else:
            current = current.__cause__


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [str(note)[:300] for note in notes[:3]] if isinstance(notes, list) else []


# -- secrets ------------------------------------------------------------------------------------------
# Messages may hold whole documents, so each repetition that may begin anywhere has a limit: no text takes long.
_LOGIN = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@'\"]{0,256}):[^\s'\"]{0,512}@")
_LITERAL = re.compile(
    r"""((?:password|passwd|secret|api_?key|token|credential|private_key)\w{0,60}["']?\]?\s*(?::\s*\w{1,60}\s*)?(?:==|:=|[=:])\s*[rbfuRBFU]{0,2})"""
    r"""(["'])(?:\\.|(?!\2).)*\2""",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return text with ``***`` for passwords in URLs, values of auth entries, and values of references to secrets."""
    text = _LOGIN.sub(r"\1:***@", text)
    for secret in _known_secrets():
        text = text.replace(secret, "***")
    return text


def masked_error(error: BaseException) -> BaseException | None:
    """Return the exception without secrets in its text, for a process that does not know them.

    It is a new one with masked arguments, if that is enough; None if the text does not come from its arguments.
    """
    if not _shows_secrets(error):
        return error
    try:
        parts: Any = error.__reduce__()
        twin: BaseException = parts[0](*(_masked_text(item) for item in parts[1]))
        for name, item in (parts[2] if len(parts) > 2 else {}).items():
            setattr(twin, name, _masked_text(item))
        twin.__notes__ = [masked(note) for note in _notes(error)]
        return None if _shows_secrets(twin) else twin
    except Exception:  # an exception class of the user's may do anything
        return None


def _masked_text(value: Any) -> Any:
    return masked(value) if isinstance(value, str) else value


def _shows_secrets(error: BaseException) -> bool:
    texts = [text_of(error), repr(error.args), repr(getattr(error, "__dict__", {}))]
    return any(masked(text) != text for text in texts)


def _masked_literals(source: str) -> str:
    """Return source code without the strings that it assigns to names that suggest a secret."""
    return _LITERAL.sub(r"\1\2***\2", source)


_secrets: tuple[tuple[int, int], tuple[str, ...]] = ((-1, -1), ())


def _known_secrets() -> tuple[str, ...]:
    """Return the values of auth entries, resolved references, and the variable for the database password, longest first."""
    global _secrets
    registry = default_registry()
    version = (registry.version, values_version())
    if _secrets[0] != version:
        found = {text for value in registry.snapshot().values() for text in _secrets_in("secret", value, 0)}
        found = {text for text in found if len(text) >= _LEAST_SECRET} | {*known_values()}
        _secrets = (version, tuple(sorted(found, key=len, reverse=True)))
    password = env("DATABASE_PASSWORD")
    if password is not None and len(password[1]) >= _LEAST_SECRET:
        return (*_secrets[1], password[1])
    return _secrets[1]


def _secrets_in(name: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if "://" in value:
            whole = mask_url(value)
            if whole != value:
                yield value
        elif is_secret(name, value):
            yield value
    elif depth < 4:
        inner: Mapping[Any, Any] = {}
        if isinstance(value, Mapping):
            inner = value
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = {item.name: getattr(value, item.name, None) for item in dataclasses.fields(value)}
        elif hasattr(value, "__struct_fields__"):
            inner = {item: getattr(value, item, None) for item in value.__struct_fields__}
        for key, item in inner.items():
            yield from _secrets_in(str(key), item, depth + 1)
