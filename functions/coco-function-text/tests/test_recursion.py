"""The laws of splitting, for all texts, sizes and languages."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_text.code import levels_of
from coco_function_text.languages import LANGUAGES, find_language
from coco_function_text.levels import PLAIN_TEXT, Level, SeparatorLevel
from coco_function_text.positions import Span
from coco_function_text.recursion import split_text
from coco_function_text.separators import compile_separator
from coco_function_text.sizes import sizes_of

pytestmark = pytest.mark.kernels

PARTS = st.sampled_from(
    [
        *("word ", "a", ". ", "Sentence one. ", ", ", "\n", "\n\n", "\r\n", "    ", "\t", "\u2003", "\x0c"),
        *("# H\n", "\n## H\n", "```\n", "- ", "|", "===\n", "---\n"),
        *("def f():\n", "class A:\n", "{", "}", ";", "<p>", "</p>", "// c\n", "@d\n"),
        *("數據。", "é\u0301", "👨\u200d👩\u200d👧", "لا؟ ", "longword" * 6),
    ]
)
TEXTS = st.lists(PARTS, max_size=120).map("".join)
NAMES = st.sampled_from([None, *(language.name for language in LANGUAGES)])
CUSTOM = (SeparatorLevel(compile_separator(r"\n## ")), SeparatorLevel(compile_separator(r"\. ")))


def levels_for(name: str | None, text: str) -> Sequence[Level]:
    language = find_language(name) if name else None
    return levels_of(language, text) if language else PLAIN_TEXT


def check_laws(text: str, spans: Sequence[Span], chunk_size: int, overlap: int = 0) -> None:
    """Everything that holds for every split."""
    covered = 0
    for index, (start, end) in enumerate(spans):
        piece = text[start:end]
        assert piece
        assert piece == piece.strip()
        assert len(piece.encode()) <= chunk_size or len(piece) == 1
        if index:
            before = spans[index - 1]
            assert before[0] < start
            assert before[1] < end
            assert len(text[start : before[1]].encode()) <= overlap
        if start > covered:
            assert not text[covered:start].strip()
        covered = end
    assert not text[covered:].strip()


@settings(max_examples=examples(300))
@given(TEXTS, NAMES, st.integers(1, 200), st.data())
def test_laws(text: str, name: str | None, chunk_size: int, data: st.DataObject) -> None:
    least = data.draw(st.none() | st.integers(0, chunk_size))
    overlap = data.draw(st.integers(0, chunk_size - 1))
    levels = levels_for(name, text)
    plain = split_text(text, chunk_size=chunk_size, min_chunk_size=least, levels=levels)
    check_laws(text, plain, chunk_size)
    overlapping = split_text(
        text, chunk_size=chunk_size, min_chunk_size=least, chunk_overlap=overlap, levels=levels
    )
    check_laws(text, overlapping, chunk_size, overlap)
    again = split_text(text, chunk_size=chunk_size, min_chunk_size=least, levels=levels_for(name, text))
    assert again == plain


@given(TEXTS, st.integers(1, 100), st.integers(0, 99))
def test_laws_for_custom_levels_without_any_weak_ones_below(text: str, chunk_size: int, overlap: int) -> None:
    overlap = min(overlap, chunk_size - 1)
    for levels in (CUSTOM, CUSTOM[:1], CUSTOM[1:], (), (*CUSTOM, *PLAIN_TEXT)):
        spans = split_text(text, chunk_size=chunk_size, chunk_overlap=overlap, levels=levels)
        check_laws(text, spans, chunk_size, overlap)


@given(st.lists(st.text(st.sampled_from("abc ,."), min_size=1, max_size=90), max_size=20))
def test_a_paragraph_that_fits_is_never_cut(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    edges, at = set(), 0
    for paragraph in paragraphs:
        edges |= {at + len(paragraph) - len(paragraph.lstrip()), at + len(paragraph.rstrip())}
        at += len(paragraph) + 2
    for start, end in split_text(text, chunk_size=90):
        assert start in edges
        assert end in edges


def texts_of(text: str, **sizes: Any) -> list[str]:
    return [text[start:end] for start, end in split_text(text, **sizes)]


def test_small_pieces_are_merged() -> None:
    text = "\n\n".join(["aaaa", "bbbb", "cccc", "dddd"])
    assert texts_of(text, chunk_size=10) == ["aaaa\n\nbbbb", "cccc\n\ndddd"]


def test_a_stronger_boundary_is_preferred() -> None:
    text = "One one. Two two.\n\nThree three. Four four."
    assert texts_of(text, chunk_size=30, min_chunk_size=10) == [
        "One one. Two two.",
        "Three three. Four four.",
    ]


@pytest.mark.parametrize("count", range(6, 40))
def test_no_small_rest_where_it_can_be_avoided(count: int) -> None:
    text = " ".join(f"Word{n:02}." for n in range(count))  # 7 bytes each
    sizes = [len(piece) for piece in texts_of(text, chunk_size=40, min_chunk_size=20)]
    assert min(sizes) >= 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hier. Da.", ["Hier.", "Da."]),
        ("前文です。後文です。", ["前文です。", "後文です。"]),
        ("ما هذا؟ هنا.", ["ما هذا؟", "هنا."]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("first line\nsecond one", ["first line", "second one"]),
        ("one two, three four", ["one two,", "three four"]),
        ("onetwo threefour", ["onetwo", "threefour"]),
    ],
)
def test_plain_text_levels(text: str, expected: list[str]) -> None:
    size = max(len(piece.encode()) for piece in expected)
    assert texts_of(text, chunk_size=size, min_chunk_size=1) == expected


def test_text_without_boundaries_is_cut_hard() -> None:
    assert texts_of("abcdefghij", chunk_size=4) == ["abcd", "efgh", "ij"]
    assert texts_of("數據變", chunk_size=4) == ["數", "據", "變"]
    assert texts_of("數據", chunk_size=1) == ["數", "據"]
    assert texts_of("👨\u200d👩x👨\u200d👩", chunk_size=13) == ["👨\u200d👩x", "👨\u200d👩"]


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003\n"])
def test_nothing_but_white_space_gives_nothing(text: str) -> None:
    assert split_text(text, chunk_size=5) == []


def test_a_text_that_fits_is_one_trimmed_chunk() -> None:
    assert split_text("  \n one. two \n", chunk_size=9) == [(4, 12)]


def test_overlap_begins_at_a_boundary_and_counts_inside() -> None:
    text = " ".join(f"s{n:02} word word." for n in range(20))
    spans = split_text(text, chunk_size=60, chunk_overlap=20)
    check_laws(text, spans, 60, 20)
    shared = [text[right[0] : left[1]] for left, right in pairwise(spans)]
    assert any(shared)
    assert all(part.startswith("s") for part in shared if part)


def test_overlap_in_a_word_without_boundaries() -> None:
    assert texts_of("abcdefghij", chunk_size=4, chunk_overlap=1) == ["abcd", "defg", "ghij"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
        ({"chunk_size": 10, "min_chunk_size": 11}, "min_chunk_size must be between 0 and chunk_size"),
        ({"chunk_size": 10, "min_chunk_size": -1}, "min_chunk_size must be between 0 and chunk_size"),
        (
            {"chunk_size": 10, "chunk_overlap": 10},
            "chunk_overlap must be at least 0 and less than chunk_size",
        ),
        (
            {"chunk_size": 10, "chunk_overlap": -1},
            "chunk_overlap must be at least 0 and less than chunk_size",
        ),
        ({"chunk_size": 1.5}, "chunk_size must be a number of bytes, got 1.5"),
        ({"chunk_size": True}, "chunk_size must be a number of bytes, got True"),
    ],
)
def test_bad_sizes(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_text("text", **sizes)


def test_default_sizes() -> None:
    assert sizes_of(7) == (7, 3, 0)
    assert sizes_of(7, 0, None) == (7, 0, 0)


@pytest.mark.parametrize(
    "unit", ["x", " ", "\n", "word ", "Ein Süßer Satz. ", "# a\n", "```\n", "a\n---\n", '."', "👩\u200d"]
)
def test_large_texts_work(unit: str) -> None:
    text = unit * (1_000_000 // len(unit.encode()))
    markdown = find_language("markdown")
    assert markdown is not None
    for levels in (PLAIN_TEXT, levels_of(markdown, text)):
        spans = split_text(text, chunk_size=1000, levels=levels)
        assert sum(end - start for start, end in spans) <= len(text)
        assert bool(spans) == bool(text.strip())
