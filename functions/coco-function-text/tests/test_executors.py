"""The operations as a flow meets them: specs, executors, checks of constants."""

from typing import Any

import pytest

from coco_function_text.chunk_table import ChunkKey
from coco_function_text.detect_language import DetectProgrammingLanguage, DetectProgrammingLanguageExecutor
from coco_function_text.parse_json import ParseJson, ParseJsonExecutor
from coco_function_text.positions import Chunk, TextPosition
from coco_function_text.split_by_separators import SplitBySeparators, SplitBySeparatorsExecutor
from coco_function_text.split_recursively import (
    CustomLanguageSpec,
    SplitRecursively,
    SplitRecursivelyExecutor,
)


def splitter(*languages: CustomLanguageSpec | dict[str, Any]) -> SplitRecursivelyExecutor:
    executor = SplitRecursivelyExecutor()
    executor.spec = SplitRecursively(custom_languages=languages)
    return executor


def texts(table: dict[ChunkKey, Chunk]) -> list[str]:
    return [chunk.text for chunk in table.values()]


def separator(**fields: Any) -> SplitBySeparatorsExecutor:
    executor = SplitBySeparatorsExecutor()
    executor.spec = SplitBySeparators(**fields)
    return executor


def parser() -> ParseJsonExecutor:
    executor = ParseJsonExecutor()
    executor.spec = ParseJson()
    return executor


def test_rows_of_split_recursively() -> None:
    assert splitter()("Größe.\nZwei.", chunk_size=8) == {
        ChunkKey((0, 6)): Chunk("Größe.", TextPosition(0, 1, 1), TextPosition(8, 1, 7)),
        ChunkKey((7, 12)): Chunk("Zwei.", TextPosition(9, 2, 1), TextPosition(14, 2, 6)),
    }
    assert splitter()("", chunk_size=8) == {}


def test_null_sizes_and_language_mean_the_defaults() -> None:
    text = "One two. " * 30
    assert splitter()(text, 60, None, None, None) == splitter()(text, 60, 30, 0, "no such language")


@pytest.mark.parametrize("language", ["python", "PY", ".py", ".PYI"])
def test_built_in_language(language: str) -> None:
    text = "def f():\n    a\n    b\ndef g():\n    c"
    assert texts(splitter()(text, 25, 1, language=language)) == ["def f():\n    a\n    b", "def g():\n    c"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_with_a_carriage_return_alone(end: str) -> None:
    text = "def f():\n    a\n    b\ndef g():\n    c".replace("\n", end)
    table = splitter()(text, 30, 1, language="python")
    assert texts(table) == [f"def f():{end}    a{end}    b", f"def g():{end}    c"]
    assert [(row.start.line, row.end.line) for row in table.values()] == [(1, 3), (4, 5)]
    heading = CustomLanguageSpec("own", [r"\n# "])
    found = splitter(heading)(f"one{end}# two{end}# three", 8, 1, language="own")
    assert texts(found) == ["one", "# two", "# three"]
    with pytest.raises(ValueError, match="line 3, column 7"):
        parser()(f"{{{end} {end} 1: }}".replace("1", '"a"'))


@pytest.mark.parametrize("form", ["spec", "dict"])
def test_custom_language(form: str) -> None:
    fields: dict[str, Any] = {
        "language_name": "Python",
        "separators_regex": [r";;", r";"],
        "aliases": ["Mine"],
    }
    language = CustomLanguageSpec(**fields) if form == "spec" else fields
    for name in ("python", "PYTHON", "mine"):  # it hides the built-in one
        assert texts(splitter(language)("a;b;;c;d", 5, 1, language=name)) == ["a;b;;", "c;d"]
    assert texts(splitter(language)("def f(): a\ndef g(): b", 12, 1, language=".py")) == [
        "def f(): a",
        "def g(): b",
    ]


def test_levels_below_the_custom_ones_are_those_of_plain_text() -> None:
    language = CustomLanguageSpec("x", [r"\n# "])
    text = "Lead.\n# One is. It is. Two.\n# Three."
    assert texts(splitter(language)(text, 16, 1, language="x")) == [
        "Lead.",
        "# One is. It is.",
        "Two.",
        "# Three.",
    ]


def test_a_custom_language_without_name_is_for_texts_without_language() -> None:
    language = CustomLanguageSpec("", ["\\|"])
    assert texts(splitter(language)("ab cd|ef", 6, 1)) == ["ab cd|", "ef"]
    assert texts(splitter(language)("ab cd|ef", 6, 1, language="unknown")) == ["ab", "cd|ef"]


def test_the_example_of_the_documentation() -> None:
    levels = [r"\n(\s*\n)+", r"[\.!\?]\s+", r"\n", r"\s+"]
    language = CustomLanguageSpec(language_name="text", separators_regex=levels)
    text = "One sentence here. Another one.\n\nA paragraph of its own.\n  \n\nThe last."
    assert texts(splitter(language)(text, 34, 1, 0, "text")) == [
        "One sentence here. Another one.",
        "A paragraph of its own.",
        "The last.",
    ]


def test_equal_specs() -> None:
    assert (
        SplitRecursively() == SplitRecursively(custom_languages=None) == SplitRecursively(custom_languages=[])
    )
    fields: dict[str, Any] = {"language_name": "a", "separators_regex": ["b"]}
    assert SplitRecursively([fields]) == SplitRecursively((CustomLanguageSpec("a", ["b"]),))
    assert hash(SplitRecursively([fields])) == hash(SplitRecursively([CustomLanguageSpec("a", ["b"], [])]))


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (
            [{"language_name": "a", "separators_regex": ["("]}],
            r"custom language 'a': .*'\('.* does not compile",
        ),
        ([{"language_name": "a", "separators_regex": ["(?=x)y"]}], "look-around is not supported"),
        ([{"language_name": "a", "separators_regex": "x"}], "separators_regex must be a list"),
        ([{"language_name": 1, "separators_regex": []}], "language_name must be a string"),
        ([{"language_name": "a", "separators_regex": [], "aliases": [1]}], "aliases must be strings"),
        ([{"language_name": "a"}], "a custom language has"),
        ([{"name": "a", "separators_regex": []}], "a custom language has"),
        ([{"language_name": n, "separators_regex": []} for n in ("a", "A")], "'A' is used twice"),
        ([{"language_name": "a", "separators_regex": [], "aliases": ["b", "B"]}], "'B' is used twice"),
    ],
)
def test_bad_custom_languages(languages: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitRecursively(custom_languages=languages)


@pytest.mark.parametrize(
    ("constants", "good"),
    [
        ({}, True),
        ({"chunk_size": 10, "min_chunk_size": 10, "chunk_overlap": 9, "language": "x"}, True),
        ({"min_chunk_size": 500, "chunk_overlap": 100}, True),
        ({"chunk_size": 10, "min_chunk_size": None, "chunk_overlap": None}, True),
        ({"chunk_size": 0}, False),
        ({"chunk_size": 10, "min_chunk_size": 11}, False),
        ({"chunk_size": 10, "chunk_overlap": 10}, False),
        ({"chunk_overlap": -1}, False),
        ({"min_chunk_size": -1}, False),
    ],
)
def test_constants_of_split_recursively(constants: dict[str, Any], good: bool) -> None:
    if good:
        SplitRecursivelyExecutor.check_constants(SplitRecursively(), constants)
    else:
        with pytest.raises(ValueError, match="chunk"):
            SplitRecursivelyExecutor.check_constants(SplitRecursively(), constants)


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("pyhton", "there is no language 'pyhton', so texts are split as plain text; did you mean 'python'?"),
        ("latinn", "there is no language 'latinn', so texts are split as plain text; did you mean 'latin'?"),
        ("xyz", "there is no language 'xyz', so texts are split as plain text; there are: latin, c, cpp"),
        ("Python", None),
        (".rs", None),
        ("LATIN", None),
        ("", None),
        (None, None),
    ],
)
def test_a_misspelt_language_is_warned_about(
    language: str | None, message: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    spec = SplitRecursively(custom_languages=[CustomLanguageSpec("latin", [r"\. "])])
    SplitRecursivelyExecutor.check_constants(spec, {"chunk_size": 10, "language": language})
    said = "".join(caplog.messages).removeprefix("SplitRecursively: ")
    assert said.startswith(message) if message is not None else not said


def test_sizes_that_contradict_each_other_fail_the_row() -> None:
    with pytest.raises(ValueError, match="chunk_overlap must be"):
        splitter()("text", 10, chunk_overlap=10)


def test_rows_of_split_by_separators() -> None:
    assert separator(separators_regex=["é+"])("a éé\nb") == {
        ChunkKey((0, 1)): Chunk("a", TextPosition(0, 1, 1), TextPosition(1, 1, 2)),
        ChunkKey((5, 6)): Chunk("b", TextPosition(7, 2, 1), TextPosition(8, 2, 2)),
    }
    kept = separator(separators_regex=[",", ";"], keep_separator="RIGHT", include_empty=True, trim=False)
    assert texts(kept("a,;b,")) == ["a,", ";", "b,", ""]
    assert texts(separator()(" all of it ")) == ["all of it"]


def test_bad_patterns_of_split_by_separators() -> None:
    for pattern in ("(", "(?=x)y", "(?=a)"):
        with pytest.raises(ValueError, match="separator pattern"):
            SplitBySeparators(separators_regex=[pattern])
    with pytest.raises(ValueError, match="'NONE' or 'LEFT' or 'RIGHT'"):
        SplitBySeparators(keep_separator="left")  # type: ignore[arg-type]


def test_detect_programming_language() -> None:
    executor = DetectProgrammingLanguageExecutor()
    executor.spec = DetectProgrammingLanguage()
    assert executor("src/main.RS") == "rust"
    assert executor("LICENSE") is None


def test_parse_json() -> None:
    assert parser()('{"a": [1, null]}') == {"a": [1, None]}
    assert parser()("1", None) == parser()("1", "JSON") == 1
    assert parser()("null") is None
    with pytest.raises(ValueError, match="line 1, column 2"):
        parser()("{")
    with pytest.raises(ValueError, match="language must be 'json', got 'yaml'"):
        parser()("1", "yaml")


def test_constants_of_parse_json() -> None:
    for constants in ({}, {"text": "1"}, {"language": None}, {"language": "Json"}):
        ParseJsonExecutor.check_constants(ParseJson(), constants)
    with pytest.raises(ValueError, match="language must be 'json', got 'xml'"):
        ParseJsonExecutor.check_constants(ParseJson(), {"language": "xml"})
