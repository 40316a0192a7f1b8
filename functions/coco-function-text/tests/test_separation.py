"""SplitBySeparators without a flow."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco_function_text.separation import Keep, separate
from coco_function_text.separators import compile_alternatives


def pieces(text: str, *patterns: str, **options: object) -> list[str]:
    spans = separate(text, compile_alternatives(patterns) if patterns else None, **options)  # type: ignore[arg-type]
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("NONE", ["one", "Two", "Three"]),
        ("LEFT", ["one", "# Two", "# Three"]),
        ("RIGHT", ["one\n#", "Two\n#", "Three"]),
    ],
)
def test_what_becomes_of_the_separator(keep: Keep, expected: list[str]) -> None:
    assert pieces("one\n# Two\n# Three", r"\n# ", keep=keep) == expected


def test_left_is_the_start_and_right_the_end() -> None:
    assert pieces("a.b.c", r"\.", keep="LEFT") == ["a", ".b", ".c"]
    assert pieces("a.b.c", r"\.", keep="RIGHT") == ["a.", "b.", "c"]


def test_any_pattern_cuts() -> None:
    assert pieces("a,b;c", ",", ";") == ["a", "b", "c"]
    assert pieces("a\n\n\nb", r"\n\n+") == ["a", "b"]


def test_no_patterns() -> None:
    assert pieces(" a\nb ") == ["a\nb"]
    assert pieces(" a\nb ", trim=False) == [" a\nb "]
    assert pieces("  ") == []


def test_trim_and_empty() -> None:
    text = " a ,  ,b,,"
    assert pieces(text, ",") == ["a", "b"]
    assert pieces(text, ",", trim=False) == [" a ", "  ", "b"]
    assert separate(text, compile_alternatives((",",)), include_empty=True) == [
        (1, 2),
        (6, 6),
        (7, 8),
        (9, 9),
        (10, 10),
    ]
    assert separate("", None, include_empty=True) == [(0, 0)]


def test_empty_pieces_at_one_place_are_one() -> None:
    assert separate("a,,", compile_alternatives((",",)), keep="RIGHT", include_empty=True) == [
        (0, 2),
        (2, 3),
        (3, 3),
    ]
    assert separate(",", compile_alternatives((",",)), keep="LEFT", include_empty=True) == [(0, 0), (0, 1)]
    spans = separate(" , ", compile_alternatives((r"\s*,",)), include_empty=True)
    assert spans == [(0, 0), (3, 3)]


def test_empty_matches_do_not_split() -> None:
    assert pieces("aXb", "X*") == ["a", "b"]
    assert pieces("aXb", "q*", "X") == ["a", "b"]


@given(
    st.text(st.sampled_from("ab,; \n"), max_size=40),
    st.sampled_from(["NONE", "LEFT", "RIGHT"]),
    st.booleans(),
    st.booleans(),
)
def test_laws(text: str, keep: Keep, include_empty: bool, trim: bool) -> None:
    spans = separate(
        text, compile_alternatives((",+", r";\s*")), keep=keep, include_empty=include_empty, trim=trim
    )
    assert len(set(spans)) == len(spans)
    assert spans == sorted(spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    kept = "".join(text[start:end] for start, end in spans)
    if not trim:
        assert keep == "NONE" or kept == text
        assert keep != "NONE" or kept == "".join(pieces(text, ",+", r";\s*", trim=False))
    else:
        assert all(text[start:end] == text[start:end].strip() for start, end in spans)
        letters = [char for char in text if char in "ab" or (keep != "NONE" and char in ",;")]
        assert [char for char in kept if not char.isspace()] == letters
    assert include_empty or all(start < end for start, end in spans)
