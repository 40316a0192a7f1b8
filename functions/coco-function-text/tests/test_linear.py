"""Every text takes linear time in every language: what repeats ends as soon as what does not.

A text of 100 000 characters takes some hundredths of a second. Where a pattern looks at a run again from each of its
lines, or of its characters, it takes minutes: the limit of processor time is for these.
"""

from __future__ import annotations

import pytest
from cpu_limit import cpu_limit
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_text.code import levels_of
from coco_function_text.languages import LANGUAGES, find_language
from coco_function_text.levels import PLAIN_TEXT
from coco_function_text.recursion import split_text

SIZE = 100_000
LIMIT = 20.0
NAMES = ("", *(language.name for language in LANGUAGES))
UNITS = (
    *(
        "\n",
        " \n",
        "\r\n",
        "\n\n ",
        " ",
        "\t",
        "    ",
        "\t\t\n",
        "\x0c",
        "\u2028",
        "\u3000",
        "é",
        "。",
        "\\",
        "_",
        "a",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        "`",
        "<",
        "</",
        "<p",
        "<p>",
        ">",
        "|",
        "a|",
        ";",
        ":",
        "=",
        ",",
        ".)",
        "...\n",
    ),
    *(
        "/*",
        "*/",
        "//\n",
        "/*\n",
        "*/\n",
        "#\n",
        "--\n",
        "<!--\n",
        "* ",
        "# a\n",
        "- ",
        "1. ",
        "> ",
        "```\n",
        "~~~\n",
    ),
    *(
        "---\n",
        "===\n",
        "a\n===\n",
        "else\n",
        "end\n",
        " )\n",
        "\n)",
        "\n\nelse",
        "@a\n",
        "@a(\n",
        "  ,\n)\n",
        ", ",
        ": ",
        "a\n",
    ),
    *(
        "static\n",
        "  static\n",
        "public ",
        "public\n",
        " override\n",
        "export\n",
        "  async\n",
        "pub\n",
        'extern "\n',
        "class\n",
    ),
    *(
        "const a = ",
        "f(\n",
        "f()\n",
        "  f(a)\n",
        "type\n",
        "double precision\n",
        "a <-\n",
        "a<\n",
        "a: ",
        "a, \n",
    ),
)


def split(name: str, text: str, overlap: int = 0) -> None:
    language = find_language(name)
    levels = levels_of(language, text) if language else PLAIN_TEXT
    with cpu_limit(LIMIT):
        split_text(text, chunk_size=500, chunk_overlap=overlap, levels=levels)


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "end"), [("\n", ")"), (" \n", "else"), ("  static\n", "")])
def test_repetitions_without_a_match_take_linear_time(unit: str, end: str) -> None:
    text = "x" + unit * (SIZE // len(unit)) + end
    for name in NAMES:
        split(name, text)


PARTS = st.lists(st.sampled_from(UNITS), max_size=3).map("".join)


@settings(max_examples=examples(60, long=3000))
@given(
    st.sampled_from(NAMES),
    PARTS,
    st.lists(st.sampled_from(UNITS), min_size=1, max_size=4),
    PARTS,
    st.sampled_from([0, 250]),
)
def test_repeated_parts(name: str, before: str, units: list[str], after: str, overlap: int) -> None:
    unit = "".join(units)
    split(name, before + unit * (SIZE // len(unit)) + after, overlap)
