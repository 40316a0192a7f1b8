"""Names, aliases, extensions."""

import pytest

from coco_function_text.languages import LANGUAGES, detect_language, find_language

CALLED = {
    "c": ".c",
    "cpp": "c++ .cpp .cc .cxx .h .hpp .hh .hxx",
    "csharp": "cs .cs",
    "css": ".css .scss",
    "dtd": ".dtd",
    "fortran": "f f90 f95 f03 .f .f90 .f95 .f03",
    "go": "golang .go",
    "html": ".html .htm htm",
    "java": ".java",
    "javascript": "js .js .jsx .mjs .cjs",
    "json": ".json",
    "kotlin": "kt .kt .kts",
    "markdown": "md .md .mdx mdx",
    "pascal": "pas dpr delphi .pas .dpr",
    "php": ".php",
    "python": "py .py .pyi pyi",
    "r": ".r",
    "ruby": "rb .rb",
    "rust": "rs .rs",
    "scala": ".scala",
    "solidity": "sol .sol",
    "sql": ".sql",
    "swift": ".swift",
    "toml": ".toml",
    "tsx": ".tsx",
    "typescript": "ts .ts",
    "xml": ".xml",
    "yaml": "yml .yaml .yml",
}


def test_the_languages_that_must_be_there() -> None:
    names = [language.name for language in LANGUAGES]
    assert sorted(names) == sorted(set(names))
    assert len(CALLED) == 28
    assert set(CALLED) <= set(names)


@pytest.mark.parametrize("name", sorted(CALLED))
def test_a_language_is_found_by_all_it_is_called(name: str) -> None:
    for called in (name, *CALLED[name].split()):
        for spelled in (called, called.upper(), called.title()):
            found = find_language(spelled)
            assert found is not None
            assert found.name == name, spelled
        if called.startswith("."):
            assert detect_language(f"dir.x/File{called}") == name
            assert detect_language(f"FILE{called.upper()}") == name


@pytest.mark.parametrize("called", ["", ".", "klingon", ".xyz", " python"])
def test_unknown_names(called: str) -> None:
    assert find_language(called) is None


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.py", "python"), ("a.tar.rs", "rust"), ("a.py.bak", None), ("Makefile", None), (".py", None),
        (".hidden.md", "markdown"), ("C:\\dir\\a.TS", "typescript"), ("dir.py/file", None), ("dir.py/", None),
        ("", None), ("a.", None), ("a b.Kt", "kotlin"),
    ],
)  # fmt: skip
def test_detection(filename: str, expected: str | None) -> None:
    assert detect_language(filename) == expected


def test_no_name_means_two_languages() -> None:
    names = [called for language in LANGUAGES for called in (language.name, *language.aliases)]
    extensions = [extension for language in LANGUAGES for extension in language.extensions]
    assert len(names) == len(set(names))
    assert len(extensions) == len(set(extensions))
    assert all(extension == extension.casefold() and extension[0] == "." for extension in extensions)
