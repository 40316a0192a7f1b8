"""Standard output of the program: it has the results of commands and nothing else.

With ``--json`` it has exactly one document, whatever the app, functions, plugins, child processes or C libraries print:
the program moves the real standard output to another descriptor at its start, and output to file descriptor 1 goes to
standard error. A command that fails before it has a result writes a document with the error. Any encoding of a stream
works: characters that it lacks are written as escapes.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO


class _Command:
    """The running command: the stream for its document, and whether the document has been written."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        """None: the command writes no document; its results go to ``sys.stdout``."""
        self.given = False
        self.error: dict[str, Any] | None = None


_aside: TextIO | None = None
"""The real standard output, once ``prepare_streams`` has moved it."""
_command = _Command(None)


def json_wanted(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON; help and version are always text."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options and not {"--help", "--version", "-V"}.intersection(options)


def prepare_streams(words: Sequence[str]) -> None:
    """Prepare the streams at the start: accept any text, and with ``--json`` move standard output."""
    global _aside
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not json_wanted(words) or not isinstance(sys.stdout, io.TextIOWrapper):
        return
    sys.stdout.flush()
    real = _copy_of_stdout()
    try:
        os.dup2(2, 1)
    except OSError:  # standard error is closed
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
    _aside = open(real, "w", encoding=sys.stdout.encoding, errors="backslashreplace")  # noqa: SIM115  until the end
    sys.stdout.reconfigure(line_buffering=True)


def _copy_of_stdout() -> int:
    """A new descriptor of standard output, above 2, that child processes do not inherit."""
    try:
        import fcntl
    except ImportError:  # Windows
        return os.dup(1)
    return fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)


@contextmanager
def one_document(words: Sequence[str]) -> Iterator[None]:
    """While a command runs with ``--json``, only ``write_json`` reaches standard output."""
    global _command
    before, stdout = _command, sys.stdout
    if not json_wanted(words):
        _command = _Command(None)
    else:
        _command = _Command(_aside or sys.stdout)
        if _aside is None:  # coco runs within another program, such as a test
            sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = stdout
        _command = before


def give_stdout_back() -> None:
    """Restore standard output for a command that prints its results itself, as commands of plugins do."""
    global _aside, _command
    if _command.stream is None:
        return
    if _aside is None:
        sys.stdout = _command.stream
    else:
        sys.stdout.flush()
        os.dup2(_aside.fileno(), 1)
        _aside.close()
        _aside = None
    _command = _Command(None)


def document_wanted() -> bool:
    """Whether the result of this command is one JSON document."""
    return _command.stream is not None


def write_json(data: Any) -> None:
    """Write the document of this command."""
    if _command.given and document_wanted():
        raise RuntimeError("a command writes one JSON document")
    stream = _command.stream or sys.stdout
    text = _json_text(data, stream.encoding if stream is not None else "utf-8")
    _command.given = True
    if stream is not None:
        stream.write(text + "\n")
        stream.flush()


def note_failure(kind: str, message: str, **more: Any) -> None:
    """Store the error of the command for its document; the last one counts."""
    _command.error = {"type": kind, "message": message, **more}


def write_failure(code: int, message: str = "") -> None:
    """Write the document of a failed command, unless it has written one or was called without ``--json``."""
    if _command.stream is None or _command.given:
        return
    error = _command.error or {"type": "CommandError", "message": message or f"ended with exit code {code}"}
    try:
        write_json({"ok": code == 0, "error": {**error, "exit_code": code}})
    except OSError:
        drop_output()


def drop_output() -> None:
    """The reader has closed standard output: write nothing more to it, not even at the interpreter's exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    _command.given = True
    for stream in (_command.stream, sys.stdout):
        try:
            if stream is not None:
                os.dup2(null, stream.fileno())
        except (OSError, ValueError):  # the stream has no file
            pass
    os.close(null)


# Compiled at first use: large classes of characters take a millisecond, and most commands print no JSON.
_RAW = "[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
_NOT_ASCII = "[\x7f-\U0010ffff]"


def _json_text(data: Any, encoding: str) -> str:
    """Valid JSON without control characters; characters that the encoding lacks are JSON escapes."""
    import json

    try:
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no NaN and no infinity
        text = json.dumps(_finite(data), indent=2, sort_keys=True, ensure_ascii=False)
    text = re.sub(_RAW, _escaped, text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = re.sub(_NOT_ASCII, _escaped, text)
    return text


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _finite(data: Any) -> Any:
    """The data with null in place of numbers that are not finite."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    return None if isinstance(data, float) and data - data != 0 else data
