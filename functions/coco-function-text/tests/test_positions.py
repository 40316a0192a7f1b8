"""Byte offsets, lines and columns."""

from hypothesis import given
from hypothesis import strategies as st

from coco_function_text.positions import Chunk, TextPosition, chunks_of, locate

TEXTS = st.text(st.sampled_from("ab \t\n\ré數😀\u0301"), max_size=60)


def naive(text: str, index: int) -> TextPosition:
    before = text[:index]
    return TextPosition(
        len(before.encode()), before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    )


@given(TEXTS, st.data())
def test_positions_equal_those_counted_one_by_one(text: str, data: st.DataObject) -> None:
    points = data.draw(st.lists(st.integers(0, len(text))))
    assert locate(text, points) == {point: naive(text, point) for point in points}


def test_example() -> None:
    text = "ab\r\nüx\nend"
    assert chunks_of(text, [(4, 6), (7, 10)]) == {
        (4, 6): Chunk("üx", TextPosition(4, 2, 1), TextPosition(7, 2, 3)),
        (7, 10): Chunk("end", TextPosition(8, 3, 1), TextPosition(11, 3, 4)),
    }


def test_end_behind_a_line_break_is_on_the_next_line() -> None:
    assert locate("a\n", [2])[2] == TextPosition(2, 2, 1)


def test_overlapping_and_repeated_spans() -> None:
    chunks = chunks_of("abcdef", [(0, 4), (2, 6), (0, 4)])
    assert list(chunks) == [(0, 4), (2, 6)]
    assert [chunk.text for chunk in chunks.values()] == ["abcd", "cdef"]
