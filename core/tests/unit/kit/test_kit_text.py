"""Names and literals as text: proven by a database that reads them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.errors import DefinitionError
from coco.kit.naming import default_name, join_names, plain_name, shorten
from coco.kit.quoting import (
    check_identifier,
    quote_cypher,
    quote_identifier,
    quote_identifiers,
    quote_literal,
    quote_qualified,
)

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


@given(NAMES)
def test_an_identifier_is_read_back_as_it_was(db: sqlite3.Connection, name: str) -> None:
    cursor = db.execute(f"SELECT 1 AS {quote_identifier(name)}")
    assert cursor.description[0][0] == name


@given(
    st.one_of(
        st.none(),
        st.integers(-(2**63) + 1, 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.just(""),
        NAMES,
    )
)
def test_a_literal_is_read_back_as_it_was(db: sqlite3.Connection, value: int | float | str | None) -> None:
    found = db.execute(f"SELECT {quote_literal(value)}").fetchone()[0]
    assert (type(found), found) == (type(value), value)


def test_forms() -> None:
    assert quote_identifier('a"b') == '"a""b"'
    assert quote_qualified("s.x", "t") == '"s.x"."t"'
    assert quote_qualified(None, "t") == '"t"'
    assert quote_identifiers(["a", "b c"]) == '"a", "b c"'
    assert quote_literal("it's") == "'it''s'"
    assert [quote_literal(item) for item in (None, True, False, -1, 0.5)] == [
        "NULL",
        "TRUE",
        "FALSE",
        "-1",
        "0.5",
    ]
    assert quote_cypher("a`b c") == "`a``b c`"


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", 1, None])
def test_invalid_names_are_refused(name: str) -> None:
    for quote in (quote_identifier, quote_cypher, check_identifier):
        with pytest.raises(DefinitionError):
            quote(name)


@pytest.mark.parametrize("name", ["\\u0060", "\\U0060 x"])
def test_escapes_of_cypher_are_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="rename"):
        quote_cypher(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\0", "\udfff", b"x", [1]])
def test_what_has_no_literal_is_refused(value: float) -> None:
    with pytest.raises(DefinitionError):
        quote_literal(value)


def test_lists_of_names_are_lists() -> None:
    for wrong in ("abc", [], 3, [""]):
        with pytest.raises(DefinitionError):
            quote_identifiers(wrong)
    with pytest.raises(DefinitionError):
        quote_qualified(None)


def test_limits_count_bytes_and_errors_say_what_to_do() -> None:
    assert check_identifier("ä" * 31, max_bytes=63) == "ä" * 31
    with pytest.raises(DefinitionError, match=r"table name.*64 bytes, at most 63.*shorten"):
        check_identifier("ä" * 32, "table name", max_bytes=63)


def test_default_names() -> None:
    assert default_name("DemoFlow", "doc_embeddings") == "DemoFlow__doc_embeddings"
    assert default_name("DemoFlow", "x", namespace="Staging") == "Staging__DemoFlow__x"
    assert default_name("A", "b", delimiter=".") == "A.b"
    for flow, target in (("", "x"), ("F", "")):
        with pytest.raises(DefinitionError):
            default_name(flow, target)


@given(NAMES, st.integers(16, 70))
def test_a_shortened_name_fits_and_is_text(name: str, limit: int) -> None:
    short = shorten(name, limit)
    assert len(short.encode()) <= limit
    assert short == name or re.search(r"_[0-9a-f]{10}\Z", short)
    assert short == shorten(name, limit)


@given(NAMES, NAMES)
def test_different_names_stay_different(first: str, second: str) -> None:
    for make in (lambda name: shorten("x" * 30 + name, 32), plain_name):
        assert (make(first) == make(second)) == (first == second)


def test_a_shortened_name_stays_what_it_is() -> None:
    """It names tables that exist: a release that changed it would lose them."""
    assert shorten("a" * 64, 63) == "a" * 52 + "_472c51290d"
    assert plain_name("Fließ-Text") == "flie__text_30e33dd9d8"


def test_shortened_joins_depend_on_the_parts() -> None:
    long = "x" * 40
    one = join_names("a__b", long, max_bytes=32)
    other = join_names("a", "b__" + long, max_bytes=32)
    assert one[:20] == other[:20]
    assert one != other
    assert join_names("a", "b", max_bytes=32) == "a__b"
    with pytest.raises(DefinitionError):
        join_names()


@given(NAMES)
def test_plain_names_need_no_quotes(name: str) -> None:
    assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", plain_name(name))


def test_no_room() -> None:
    with pytest.raises(DefinitionError, match="at least 16"):
        shorten("x" * 20, 15)
