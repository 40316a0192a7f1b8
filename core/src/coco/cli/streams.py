"""Standard output of the program: it carries results and nothing else.

With ``--json`` that is one document, whatever the app, functions, plugins, child processes or C libraries print:
the real standard output is set aside when the program starts, and what anybody else writes to file descriptor 1 goes
to standard error. A command that fails before it has a result gives a document that says why. No encoding of a
stream is an error: characters that it lacks are written as escapes.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass
class _Command:
    """What is known of the command that runs: where its one document goes, and whether it was given."""

    stream: TextIO | None
    """None: the command has no document; its results go to ``sys.stdout`` as they come."""
    given: bool = False
    error: dict[str, Any] | None = None


_aside: TextIO | None = None
"""The real standard output, once the program has set it aside."""
_command = _Command(None)


def json_wanted(words: Sequence[str]) -> bool:
    """Whether a command line asks for one JSON document; help and version are text in any case."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options and not {"--help", "--version", "-V"}.intersection(options)


def prepare_streams(words: Sequence[str]) -> None:
    """For the start of the program: make the streams fit for any text, and set standard output aside for JSON."""
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
    """A new descriptor of standard output that child processes do not inherit, and that is not one of the first three."""
    try:
        import fcntl
    except ImportError:  # Windows
        return os.dup(1)
    return fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)


@contextmanager
def one_document(words: Sequence[str]) -> Iterator[None]:
    """For the time of a command: only ``write_json`` reaches standard output if the command line asks for JSON."""
    global _command
    before, stdout = _command, sys.stdout
    if not json_wanted(words):
        _command = _Command(None)
    else:
        _command = _Command(_aside or sys.stdout)
        if _aside is None:  # within another program, such as a test
            sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = stdout
        _command = before


def give_stdout_back() -> None:
    """For a command that prints its results itself, as those of plugins do."""
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
        raise RuntimeError("a command has one JSON document")
    stream = _command.stream or sys.stdout
    text = _json_text(data, stream.encoding if stream is not None else "utf-8")
    _command.given = True
    if stream is not None:
        stream.write(text + "\n")
        stream.flush()


def note_failure(kind: str, message: str, **more: Any) -> None:
    """Remember why the command fails, for its document; the last one counts."""
    _command.error = {"type": kind, "message": message, **more}


def write_failure(code: int, message: str = "") -> None:
    """Give the document of a command that failed, unless it has given its own or was not asked for one."""
    if _command.stream is None or _command.given:
        return
    error = _command.error or {"type": "CommandError", "message": message or f"ended with exit code {code}"}
    try:
        write_json({"ok": code == 0, "error": {**error, "exit_code": code}})
    except OSError:
        drop_output()


def drop_output() -> None:
    """The reader of standard output went away: nothing more is written there, not even at the interpreter's exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    _command.given = True
    for stream in (_command.stream, sys.stdout):
        try:
            if stream is not None:
                os.dup2(null, stream.fileno())
        except (OSError, ValueError):  # no file stands behind it
            pass
    os.close(null)


_RAW = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NOT_ASCII = re.compile("[\x7f-\U0010ffff]")


def _json_text(data: Any, encoding: str) -> str:
    """JSON that any reader takes and no terminal obeys; characters that the encoding lacks are JSON escapes."""
    import json

    try:
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN and infinity are no JSON
        text = json.dumps(_finite(data), indent=2, sort_keys=True, ensure_ascii=False)
    text = _RAW.sub(_escaped, text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = _NOT_ASCII.sub(_escaped, text)
    return text


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _finite(data: Any) -> Any:
    """The same with null for numbers that are not finite."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    return None if isinstance(data, float) and data - data != 0 else data
