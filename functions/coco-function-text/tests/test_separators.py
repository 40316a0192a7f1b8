"""Patterns of users: what is refused, what is guaranteed while they run."""

import re

import pytest
from cpu_limit import cpu_limit
from hypothesis import given
from hypothesis import strategies as st

from coco_function_text.levels import SeparatorLevel
from coco_function_text.separators import compile_alternatives, compile_separator

HOSTILE = (
    *(
        r"(a+)+b",
        r"(a*)*b",
        r"(\s*\n)+x",
        r"(\w+\s?)+:",
        r"(x+x+)+y",
        r"(a?a?)*b",
        r"(.*)*x",
        r"(?s)a.*b|a|.",
    ),
    *(r"(a{1,30}){1,30}b", r"(?:a+b?)*c", r"^(([a-z])+.)+[A-Z]", r"(\d+|\w+)*!", r"(a|ab|b)*c", r"\s+x|\s"),
    *(r"(?s)(.+\n)+x", r"([a-z]+|\w)+\d!", r"((a+)+b)*", r"(a*){5,}b", r"(?i)(a|Ab?)*c", r"(?:[^\n]*\n)+END"),
)
"""A backtracking engine needs exponential or quadratic time for these."""


@pytest.mark.parametrize("unit", ["a", "ab", "\n", " \n", "x", "aé", "1 "])
def test_every_pattern_takes_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    with cpu_limit(30):
        for pattern in HOSTILE:
            compile_separator(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "does not compile"),
        (r"\p{L}+", r"use \\w"),
        ("(?=a)", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "a back-reference"),
        ("(a)?(?(1)b|c)", "a conditional group"),
        ("(?>a+)b", "an atomic group"),
        ("a++b", "a possessive quantifier"),
        ("a{99999999999}", "does not compile"),
        ("(a{1,100}){1,100}", "at most 1000 times"),
        ("[[:alpha:]]+", r"POSIX classes such as \[\[:alpha:\]\] are not supported; use"),
        ("[a-f[:digit:]]", "POSIX classes"),
        ("[:^space:]", "POSIX classes"),
    ],
)
def test_other_refusals(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        compile_separator(pattern)
    assert repr(pattern) in str(caught.value)


def test_not_a_string() -> None:
    with pytest.raises(ValueError, match="must be a string, got int"):
        compile_separator(5)


def spans(pattern: str, text: str) -> list[tuple[int, int]]:
    return list(compile_separator(pattern).matches(text))


PATTERNS = (
    *(
        r"\s+",
        r"\n(\s*\n)+",
        r"b",
        r"a*",
        r"[ab]+\n?",
        r"^a",
        r"a\Z",
        r"(?m)^b|a$",
        r"\n#+ ",
        r"\[:alpha:\]",
        r"[^a]",
    ),
    *(
        r"\S+?b",
        r"[^\W\d_]{2,3}",
        r"[\s#-]+",
        r"(?i)É|A|ß",
        r"(?s:.)b",
        r".b",
        r"(?x) \# \ ? # note",
        r"[^\s\S]|\D\d",
    ),
    *(
        r"(?a)\w+\s",
        r"[\w.]+",
        r"[^\w]",
        r"\W",
        r"[\W_]",
        r"(?ia)[^\W]B",
        r"(a|b)(?P<x>\d)?|\x23",
        r"(?:)",
        r"[\S\n]\D",
    ),
)


@given(
    st.sampled_from(PATTERNS), st.text(st.sampled_from("abéB \n#1٣\u2003_\x85K😀"), max_size=80), st.data()
)
def test_matches_are_those_of_re_without_the_empty_ones(pattern: str, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    expected = [m.span() for m in re.compile(pattern).finditer(text, start, end) if m.end() > m.start()]
    assert compile_separator(pattern).matches(text, start, end) == expected


def test_what_differs_from_re() -> None:
    assert spans(r"\bb", "a b éb") == [(2, 3), (5, 6)], "word characters of a boundary are those of ASCII"
    assert spans("a$", "a\na") == [(2, 3)] and spans("a$", "a\n") == [], "the end is the very end"


def test_classes_know_unicode() -> None:
    every = "".join(chr(code) for code in range(0x3100) if not 0xD800 <= code < 0xE000)
    for pattern in (r"\s", r"\S", r"\d", r"\D", r"[^\s]", r"[\Sa]"):
        assert spans(pattern, every) == [match.span() for match in re.finditer(pattern, every)], pattern
    letters = "aé中ñß_9٣Ⅷ²"
    assert spans(r"\w+", letters) == [(0, len(letters))] and spans(r"\W", letters) == []


@pytest.mark.parametrize("length", [1023, 1024, 1025, 5000])
def test_matches_across_the_windows_are_whole(length: int) -> None:
    line = "-" * length
    text = f"x{line}y" * 3
    assert [end - start for start, end in spans("-+", text)] == [length] * 3
    assert [end - start for start, end in spans("-+y", text)] == [length + 1] * 3
    assert spans("z+", text) == []


def test_alternatives_keep_their_flags_and_their_order() -> None:
    both = compile_alternatives((r"(?i)x", "y", r"(?x) z # comment"))
    assert list(both.matches("aXbyYcz")) == [(1, 2), (3, 4), (6, 7)]
    assert list(compile_alternatives(("ab", "a")).matches("abaXab")) == [(0, 2), (2, 3), (4, 6)]
    assert list(compile_alternatives(("a", "ab")).matches("ab")) == [(0, 1)]


def test_alternatives_that_share_a_group_name() -> None:
    assert compile_alternatives(("(?P<a>x)", "(?P<a>y)")).matches("xy") == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("pattern", "text", "cuts", "strong"),
    [
        (r"\n# ", "a\n# b\n# c", [1, 5], True),
        (r"\n\n", "a\n\nb", [3], False),
        (r"\. ", "a. b. c", [3, 6], False),
        (r"\n---\n", "a\n---\nb", [1], True),
        (r"(?:\n# |\n## )", "a\n## b", [1], True),
        (r"(?:\n# |;)", "a;b\n# c", [2, 3], False),
        (r"\s*\n\d+\. ", "a\n1. b", [1], True),
        (r"a*", "aab", [2], False),
    ],
)
def test_where_a_separator_cuts(pattern: str, text: str, cuts: list[int], strong: bool) -> None:
    level = SeparatorLevel(compile_separator(pattern))
    assert level.cuts(text, 0, len(text)) == cuts
    assert level.strong is strong
