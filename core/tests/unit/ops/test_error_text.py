"""Exceptions as text: the place in the user's code, causes, what is kept out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cpu_limit import cpu_limit
from hypothesis import example, given
from hypothesis import strategies as st

import coco
from coco.auth_registry import default_registry
from coco.errors import DefinitionError, PrepareError, TargetError
from coco.ops.error_text import (
    MAX_MESSAGE,
    MAX_TRACEBACK,
    Frame,
    describe,
    masked,
    place_of,
    traceback_text,
    user_frames,
)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def caught(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def inner(text: str) -> str:
    kept = "a value that no text shows"
    raise LookupError(text + kept[:0])


def outer(text: str) -> str:
    return inner(text)


def failing(text: str = "nothing of the kind") -> BaseException:
    return caught(lambda: outer(text))


def test_the_innermost_line_of_the_users_code() -> None:
    text = describe(failing())
    assert text.startswith(f"LookupError: nothing of the kind (at {__file__}:")
    assert text.endswith(" in inner: raise LookupError(text + kept[:0]))")


def test_below_the_users_code_its_call_counts() -> None:
    import json

    assert 'json.loads("what")' in place_of(caught(lambda: json.loads("what")))


def test_code_without_a_file() -> None:
    """What was typed in, or given with ``python -c``; generated code is not the user's."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def typed(): raise KeyError('k')", "<string>", "exec"), names)
    assert place_of(caught(names["typed"])) == "at <string>:1 in typed"
    names = {"__name__": "coco.types.generated"}
    exec(compile("def made(): raise KeyError('k')", "<coco encoder>", "exec"), names)
    assert "in caught: call()" in place_of(caught(names["made"]))


def test_causes_have_their_places() -> None:
    text = describe(raised(RuntimeError("the title is missing"), failing()))
    assert text.index("RuntimeError: the title is missing (at ") < text.index(
        "; caused by LookupError: nothing"
    )
    assert text.count("in inner") == 1 and text.count("in raised") == 1
    wrapped = describe(TargetError("never raised")) + describe(PrepareError("Embed", failing()))
    assert (
        "PrepareError" not in wrapped
        and "LookupError: nothing of the kind; the next update retries" in wrapped
    )
    assert "in inner" in wrapped and "caused by" not in wrapped, "what is quoted is not said twice"


def test_the_first_of_a_group() -> None:
    group = ExceptionGroup("tasks failed", [failing(), ValueError("other")])
    text = describe(raised(group))
    assert "tasks failed" in text and "LookupError: nothing of the kind" in text and "in inner" in text


def test_an_exception_that_cannot_be_shown() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise TypeError("no text")

    assert describe(raised(Odd())).startswith("Odd: (its text cannot be read: TypeError) (at ")
    assert "Odd" in traceback_text(raised(Odd()))


@given(st.text())
@example("\ud800 half of a pair")
@example("x\n" * 50_000)
def test_any_text_keeps_its_place_and_can_be_stored(text: str) -> None:
    error = failing(text)
    line, whole = describe(error), traceback_text(error)
    assert "in inner: raise LookupError" in line and "in inner" in whole
    assert len(line) <= 2 * MAX_MESSAGE and len(whole) <= MAX_TRACEBACK + 200
    line.encode()
    whole.encode()


def test_a_deep_recursion_stays_short() -> None:
    def down(count: int) -> int:
        return down(count + 1) + 1

    error = caught(lambda: down(0))
    assert len(traceback_text(error)) < MAX_TRACEBACK + 200 and "in down" in describe(error)


def connect(url: str, api_key: str = "", **more: Any) -> None:
    raise ConnectionError(f"cannot connect to {url}")


def test_secrets_are_masked() -> None:
    key = default_registry().add(
        "service of test_error_text", {"api_key": "sk-4711-abcdef", "host": "example.org"}
    )
    coco.add_auth_entry(
        "base of test_error_text", coco.DatabaseConnectionSpec("postgresql://h/d", "u", "Pa55-of-base")
    )

    def fail() -> None:
        try:
            connect("postgresql://me:s3cr3t@host/db?x=1", api_key="in-the-source")
        except ConnectionError as error:
            raise ValueError("refused: sk-4711-abcdef at example.org, Pa55-of-base") from error

    try:
        error = caught(fail)
        for text in (describe(error), traceback_text(error)):
            for secret in ("s3cr3t", "in-the-source", "sk-4711-abcdef", "Pa55-of-base"):
                assert secret not in text, secret
            assert "postgresql://me:***@host/db" in text and "example.org" in text
        assert 'api_key="***"' in traceback_text(error)
    finally:
        default_registry().remove([key.key, "base of test_error_text"])


@pytest.mark.parametrize(
    "line",
    [
        'key = connect(api_key="sk-1")',
        "headers['api_token'] = 'sk-1'",
        "password: str = 'sk-1'",
        "if (secret := 'sk-1'): pass",
        "open(PASSWORD=f'sk-1', x='kept')",
        "{'client_secret': \"sk-1\"}",
        "token == r'sk-1'",
    ],
)
def test_literals_for_secrets_are_masked(line: str) -> None:
    shown = str(Frame("/app.py", 1, "f", line))
    assert "sk-1" not in shown and "***" in shown
    assert ("kept" in shown) is ("kept" in line)


def test_values_of_variables_stay_out() -> None:
    assert "a value that no text shows" not in describe(failing())
    assert "a value that no text shows" not in traceback_text(failing())


def test_errors_of_coco_itself_name_no_line_of_a_plugin() -> None:
    assert place_of(DefinitionError("not raised")) == ""
    assert [frame.function for frame in user_frames(raised(DefinitionError("wrong")))] == ["raised"]


def test_notes_are_reported() -> None:
    error = failing()
    error.add_note("the result must be picklable")
    assert "LookupError: nothing of the kind; the result must be picklable (at " in describe(error)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a.",
        "a://",
        "a://b:",
        "a://b:c ",
        "password",
        'password="',
        "password ",
        " ",
        "\n",
        "\n    ",
        "'",
        "\\",
        "@",
    ],
)
def test_no_message_takes_long(unit: str) -> None:
    """Messages hold documents; a repetition that is gone over again from each character would take minutes."""
    with cpu_limit(20):
        error = ValueError("text\n    " + unit * (100_000 // len(unit)))
        assert traceback_text(error)
        masked(str(error))
