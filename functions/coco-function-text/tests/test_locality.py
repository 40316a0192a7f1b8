"""An edit in one section leaves the chunks of the others as they were."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_text.code import levels_of
from coco_function_text.languages import find_language
from coco_function_text.levels import PLAIN_TEXT
from coco_function_text.recursion import split_text

SIZE = 120
WORD = st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=9)
SENTENCE = st.lists(WORD, min_size=2, max_size=9).map(lambda words: " ".join(words) + ".")
PARAGRAPH = st.lists(SENTENCE, min_size=1, max_size=6).map(" ".join)
BODY = st.lists(PARAGRAPH, min_size=3, max_size=6).map("\n\n".join).filter(lambda body: len(body) > SIZE)
STATEMENT = st.tuples(WORD, WORD).map(lambda pair: f"    {pair[0]} = {pair[1]}")
FUNCTION = st.lists(STATEMENT, min_size=12, max_size=30).map("\n".join)


def chunks(text: str, name: str | None, overlap: int = 0, size: int = SIZE) -> list[str]:
    language = find_language(name) if name else None
    levels = levels_of(language, text) if language else PLAIN_TEXT
    return [text[a:b] for a, b in split_text(text, chunk_size=size, chunk_overlap=overlap, levels=levels)]


@settings(max_examples=examples(60))
@given(st.lists(BODY, min_size=2, max_size=5), BODY, st.data(), st.sampled_from([0, 30]))
def test_markdown_sections(bodies: list[str], new: str, data: st.DataObject, overlap: int) -> None:
    edited = data.draw(st.integers(0, len(bodies) - 1))
    levels = data.draw(st.lists(st.integers(1, 3), min_size=len(bodies), max_size=len(bodies)))

    def split(texts: list[str]) -> list[str]:
        sections = (
            f"{'#' * depth} Title {n}\n\n{body}\n"
            for n, (depth, body) in enumerate(zip(levels, texts, strict=True))
        )
        return chunks("\n".join(sections), "markdown", overlap)

    def of_section(texts: list[str], number: int) -> list[str]:
        return chunks(f"{'#' * levels[number]} Title {number}\n\n{texts[number]}\n", "markdown", overlap)

    after = [*bodies[:edited], new, *bodies[edited + 1 :]]
    for texts in (bodies, after):  # a document is the sum of its sections, whatever stands beside them
        assert split(texts) == [chunk for n in range(len(texts)) for chunk in of_section(texts, n)]


@settings(max_examples=examples(60))
@given(st.lists(FUNCTION, min_size=2, max_size=5), FUNCTION, st.data())
def test_functions_of_a_program(bodies: list[str], new: str, data: st.DataObject) -> None:
    edited = data.draw(st.integers(0, len(bodies) - 1))

    def split(texts: list[str]) -> list[list[str]]:
        source = [f"def f{n}():\n{text}\n" for n, text in enumerate(texts)]
        whole = chunks("\n\n".join(source), "python")
        parts = [chunks(text, "python") for text in source]
        assert whole == [chunk for part in parts for chunk in part]
        return parts

    before, after = split(bodies), split([*bodies[:edited], new, *bodies[edited + 1 :]])
    assert before[:edited] == after[:edited]
    assert before[edited + 1 :] == after[edited + 1 :]


LOG = "\n".join(
    f"2026-11-20 {n // 60:02}:{n % 60:02} request {n * 7919 % 10007:05} done" for n in range(1400)
)
SMALL_SECTIONS = "\n\n".join(f"## Section {n}\n\n" + f"word{n:03} " * 20 for n in range(200))


@pytest.mark.parametrize("overlap", [0, 100])
@pytest.mark.parametrize(
    ("text", "name"), [(LOG, None), (LOG.replace("\n", "\n\n"), None), (SMALL_SECTIONS, "md")]
)
def test_chunks_after_an_edit_stay_where_no_section_is_large(
    text: str, name: str | None, overlap: int
) -> None:
    before = chunks(text, name, overlap, 800)
    choices = random.Random(20261120)
    changed = []
    for _ in range(30):
        at = choices.randrange(len(text))
        for edited in (text[:at] + "an edit\n" + text[at:], text[:at] + text[at + 90 :]):
            changed.append(len(set(chunks(edited, name, overlap, 800)) - set(before)))
    assert len(before) > 50
    assert sum(changed) / len(changed) < 4
    assert max(changed) < len(before) / 2


def test_chunks_before_an_edit_stay() -> None:
    before = chunks(LOG, None, 0, 800)
    at = LOG.index("\n", len(LOG) // 2)
    after = chunks(LOG[:at] + "\nnew" * 50 + LOG[at:], None, 0, 800)
    same = 0
    while before[same] == after[same]:
        same += 1
    assert sum(map(len, before[: same + 2])) > at - 800
