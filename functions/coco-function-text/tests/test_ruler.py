"""Sizes in bytes, and cuts that keep visible characters whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco_function_text.graphemes import is_boundary
from coco_function_text.ruler import Ruler

MIXED = st.text(st.sampled_from("ab é數😀\u0301\u200d👨🇩🇪\r\n"), min_size=1, max_size=700)


@given(MIXED, st.data())
def test_measures_equal_encoding(text: str, data: st.DataObject) -> None:
    ruler = Ruler(text)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    limit = data.draw(st.integers(1, 900))
    size = len(text[start:end].encode())
    assert ruler.byte_at(start) == len(text[:start].encode())
    assert ruler.bytes_at([start, end]) == [len(text[:start].encode()), len(text[:end].encode())]
    assert ruler.size(start, end) == size
    assert ruler.fits(start, end, limit) == (size <= limit)
    left, right = ruler.trim(start, end)
    assert text[left:right] == text[start:end].strip()
    assert start <= left <= right <= end
    assert text[ruler.skip(start, end) : end] == text[start:end].lstrip()


@given(MIXED, st.data())
def test_reach_and_back_are_the_farthest_places_within_the_limit(text: str, data: st.DataObject) -> None:
    ruler = Ruler(text)
    at = data.draw(st.integers(0, len(text)))
    limit = data.draw(st.integers(1, 900))
    reach = ruler.reach(at, limit)
    assert len(text[at:reach].encode()) <= limit
    assert reach == len(text) or len(text[at : reach + 1].encode()) > limit
    back = ruler.back(at, limit)
    assert len(text[back:at].encode()) <= limit
    assert back == 0 or len(text[back - 1 : at].encode()) > limit


@given(MIXED, st.integers(1, 40))
def test_hard_cuts_go_on_and_keep_the_limit(text: str, limit: int) -> None:
    ruler, at = Ruler(text), 0
    while at < len(text):
        cut = ruler.hard_cut(at, limit, at)
        assert cut > at
        assert cut == at + 1 or len(text[at:cut].encode()) <= limit
        at = cut


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301",
        "👨\u200d👩\u200d👧",
        "👍🏽",
        "🇩🇪",
        "\r\n",
        "\u1112\u1161\u11ab",
        "❤\ufe0f",
        "하\u11af",
        "한\u11af",
    ],
)
def test_clusters_have_boundaries_at_their_ends_only(cluster: str) -> None:
    text = f"a{cluster}b"
    assert [at for at in range(len(text) + 1) if is_boundary(text, at)] == [0, 1, len(text) - 1, len(text)]


@pytest.mark.parametrize("pair", ["ab", "é數", "한글", "\n\r", "\u11a8\u1100"])
def test_separate_characters(pair: str) -> None:
    assert is_boundary(pair, 1)


def test_flags_are_counted_in_pairs() -> None:
    text = "🇩🇪🇫🇷🇮🇹"
    assert [at for at in range(len(text) + 1) if is_boundary(text, at)] == [0, 2, 4, 6]


def test_cut_of_a_long_word_keeps_clusters() -> None:
    ruler = Ruler("xe\u0301" * 10)
    assert ruler.hard_cut(0, 7, 0) == 4  # "xéx" has 5 bytes with its mark; the next cluster would make 8
    assert ruler.hard_cut(0, 2, 0) == 1
