"""Byte offsets, lines and columns."""

from hypothesis import given
from hypothesis import strategies as st

from coco_function_text.chunk_table import ChunkKey, chunk_table
from coco_function_text.positions import Chunk, TextPosition

TEXTS = st.text(st.sampled_from("ab \t\n\ré數😀\u0301"), max_size=60)


def naive(text: str, index: int) -> TextPosition:
    line, line_start = 1, 0
    for at in range(index):
        if text[at] == "\n" or (text[at] == "\r" and text[at : at + 2] != "\r\n"):
            line, line_start = line + 1, at + 1
    return TextPosition(len(text[:index].encode()), line, index - line_start + 1)


@given(TEXTS, st.booleans(), st.data())
def test_positions_equal_those_counted_one_by_one(text: str, ascending: bool, data: st.DataObject) -> None:
    points = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(points, points), max_size=8))
    spans = [(min(pair), max(pair)) for pair in pairs]
    if ascending:
        spans.sort()
    expected = {ChunkKey(s): Chunk(text[s[0] : s[1]], naive(text, s[0]), naive(text, s[1])) for s in spans}
    found = chunk_table(text, spans)
    assert found == expected
    assert list(found) == list(expected)
    for key, chunk in found.items():
        assert (type(key), type(chunk)) == (ChunkKey, Chunk)
        assert type(chunk.start) is type(chunk.end) is TextPosition


def test_example() -> None:
    text = "ab\r\nüx\nend"
    assert chunk_table(text, [(4, 6), (7, 10)]) == {
        ChunkKey((4, 6)): Chunk("üx", TextPosition(4, 2, 1), TextPosition(7, 2, 3)),
        ChunkKey((7, 10)): Chunk("end", TextPosition(8, 3, 1), TextPosition(11, 3, 4)),
    }


def test_lines_of_a_text_that_ends_them_with_carriage_returns_alone() -> None:
    text = "ab\rüx\r\rend"
    assert chunk_table(text, [(3, 5), (7, 10)]) == {
        ChunkKey((3, 5)): Chunk("üx", TextPosition(3, 2, 1), TextPosition(6, 2, 3)),
        ChunkKey((7, 10)): Chunk("end", TextPosition(8, 4, 1), TextPosition(11, 4, 4)),
    }


def test_end_behind_a_line_break_is_on_the_next_line() -> None:
    assert chunk_table("a\n", [(0, 2)])[ChunkKey((0, 2))].end == TextPosition(2, 2, 1)


def test_overlapping_and_repeated_spans() -> None:
    chunks = chunk_table("abcdef", [(0, 4), (2, 6), (0, 4)])
    assert list(chunks) == [ChunkKey((0, 4)), ChunkKey((2, 6))]
    assert [chunk.text for chunk in chunks.values()] == ["abcd", "cdef"]
