"""Sections, fences, lists and tables of Markdown."""

from itertools import pairwise

import pytest

from coco_function_text.markdown import markdown_levels, outline
from coco_function_text.recursion import split_text


def headings(text: str) -> list[tuple[int, str]]:
    found = outline(text)
    return sorted(
        (start, f"h{level} {text[start:].splitlines()[0].strip()}")
        for level, starts in enumerate(found.headings, 1)
        for start in starts
    )


def titles(text: str) -> list[str]:
    return [title for _, title in headings(text)]


def split(text: str, size: int, least: int | None = None) -> list[str]:
    spans = split_text(text, chunk_size=size, min_chunk_size=least, levels=markdown_levels(text))
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\ntext\n## B\n", ["h1 # A", "h2 ## B"]),
        (
            "###### six\n####### seven\n#no\n#\tTab\n   # indented\n    # code\n",
            ["h6 ###### six", "h1 #\tTab", "h1 # indented"],
        ),
        ("#\ntext\n", ["h1 #"]),
        ("# A\r\ntext\r\n## B\r\n", ["h1 # A", "h2 ## B"]),
        ("Title\n=====\ntext\n\nSub\n---\n", ["h1 Title", "h2 Sub"]),
        ("two\nlines\n===\n", ["h1 two"]),
        ("text\n\n---\n\n***\n- item\n---\n> quote\n---\n| a |\n---\n", []),
        ("```\n# no\n```\n# yes\n", ["h1 # yes"]),
        ("~~~ py\n# no\n```\n# no\n~~~~\n# yes\n", ["h1 # yes"]),
        ("````\n```\n# no\n````\n# yes\n", ["h1 # yes"]),
        ("```\n# no, the fence has no end\n", []),
        ("``` a`b\n# yes\n", ["h1 # yes"]),
        ("- item\n    ```\n    # no\n# yes\n", ["h1 # yes"]),
        ("---\ntitle: x\n# comment\n---\n# yes\n", ["h1 # yes"]),
        ("---\n\ntext\n\n# yes\n---\n", ["h1 # yes"]),
    ],
)
def test_headings(text: str, expected: list[str]) -> None:
    assert titles(text) == expected


def test_a_heading_right_under_a_higher_one_opens_no_section() -> None:
    assert titles("# A\n\n## B\n\n### C\ntext\n### D\n") == ["h1 # A", "h3 ### D"]
    assert titles("## A\n# B\n") == ["h2 ## A", "h1 # B"]


def test_sections_by_level() -> None:
    text = "# A\n\nlead\n\n## B\n\nbbbb bbbb bbbb\n\n## C\n\ncccc cccc cccc\n\n# D\n\nend"
    assert split(text, 60, 0) == [
        "# A\n\nlead\n\n## B\n\nbbbb bbbb bbbb\n\n## C\n\ncccc cccc cccc",
        "# D\n\nend",
    ]
    assert split(text, 40, 10) == [
        "# A\n\nlead\n\n## B\n\nbbbb bbbb bbbb",
        "## C\n\ncccc cccc cccc",
        "# D\n\nend",
    ]


def test_a_fence_that_fits_stays_whole() -> None:
    fence = "```py\nx = 1\n\n\ny = 2\n\n# z\n```"
    text = f"Some words before it.\n\n{fence}\n\nSome words behind it."
    assert fence in split(text, len(fence))
    assert fence in split(f"text right above it\n{fence}\ntext right below it", len(fence) + 2)


def test_a_large_fence_is_cut_at_blank_lines_then_lines() -> None:
    fence = "```\naaaa aaaa\nbbbb bbbb\n\ncccc cccc\ndddd dddd\n```"
    assert split(fence, 26, 10) == ["```\naaaa aaaa\nbbbb bbbb", "cccc cccc\ndddd dddd\n```"]
    assert all(line in fence.split("\n") for line in "\n".join(split(fence, 10)).split("\n"))


def test_a_list_that_fits_stays_whole() -> None:
    items = "- one\n\n  more of one\n\n- two\n- three"
    text = f"A paragraph that stands before.\n\n{items}\n\nA paragraph that stands behind."
    assert f"A paragraph that stands before.\n\n{items}" in split(text, 70)
    assert any(items in chunk for chunk in split(text, 70))


def test_a_large_list_is_cut_between_items_first() -> None:
    text = "- one is long enough\n  - inner one\n  - inner two\n- two is long enough\n  - inner"
    assert split(text, 50) == [
        "- one is long enough\n  - inner one\n  - inner two",
        "- two is long enough\n  - inner",
    ]
    assert split(text, 25, 1) == [
        "- one is long enough",
        "- inner one\n  - inner two",
        "- two is long enough",
        "- inner",
    ]


def test_a_table_is_cut_between_rows() -> None:
    rows = ["| a | b |", "|---|---|", *(f"| {n} | {n}. and more |" for n in range(9))]
    chunks = split("\n".join(rows), 60)
    assert [row for chunk in chunks for row in chunk.split("\n")] == rows


def test_a_heading_stays_with_its_first_paragraph() -> None:
    for n in range(30):
        heading = f"## A heading of forty letters, number {n:03}"
        text = f"{heading}\n\nTwenty letters here.\n\nForty letters for the next one, so to say"
        assert split(text, 70, 1)[0] == f"{heading}\n\nTwenty letters here."


def test_no_overlap_reaches_over_a_heading() -> None:
    sections = [f"## T{n}\n\n" + f"Sentence {n}. " * 3 for n in range(8)]
    text = "\n\n".join(sections)
    spans = split_text(text, chunk_size=120, chunk_overlap=50, levels=markdown_levels(text))
    assert len(spans) > 3
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert all(text.startswith("## ", start) for start, _ in spans)


def test_prose_is_cut_at_sentences_before_lines() -> None:
    text = "One sentence that\nruns on. Another one\nthat runs on."
    assert split(text, 35, 5) == ["One sentence that\nruns on.", "Another one\nthat runs on."]
