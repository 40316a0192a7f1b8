"""Chunks are what they were: digests of many splits, taken once.

A change here changes what users have stored. If it is meant, raise ``behavior_version`` of the executors and
take the digests again: ``python tests/test_golden.py``.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest

from coco_function_text.chunk_table import ChunkTable, chunk_table
from coco_function_text.code import levels_of
from coco_function_text.languages import LANGUAGES, find_language
from coco_function_text.levels import PLAIN_TEXT, Level, SeparatorLevel
from coco_function_text.positions import line_feeds
from coco_function_text.recursion import split_text
from coco_function_text.separation import separate
from coco_function_text.separators import compile_separator

pytestmark = pytest.mark.kernels

WORDS = ("a", "is", "this", "words", "longer", "sentence", "alphabetical", "x" * 40)
FOREIGN = (
    "數據庫",
    "é",
    "e\u0301te",
    "данные",
    "👨\u200d👩\u200d👧",
    "🇩🇪🇫🇷",
    "لغة",
    "ประโยค",
    "한국어",
    "\u1112\u1161\u11ab",
)
STOPS = (".", "!", "?)", ",", ";", ":", " -", "...", '."')
FOREIGN_STOPS = ("。", "、", "؟", "।", "…", "！」")
SPACES = (" ", " ", " ", "  ", "\n", "\t", "\r\n", "\n ")
FOREIGN_SPACES = (" ", " ", "\u3000", "\u2003", "\x0c", "\x85", "\u2028")
MARKUP = (
    *("# One", "## Two", "### Three", "   ###### Six", "#", "#\r", "####### no", "Title\n=====", "Sub\n---", "---", "***"),
    *("```py\nx = 1\n\n# no\ny = 2\n```", "~~~\n```\n~~~~", "```\nopen", "- item\n    ```\n    # no", "````", "``` a`b"),
    *("- one\n- two\n\n  more\n- three", "1. first\n2) second", " * star\n   + plus", "| a | b |\n|---|---|\n| 1 | 2 |"),
    *("> quote\n> more", "    code\n\n    code", "<p>html</p>", "<section><div>text</div></section>"),
    *("---\ntitle: x\n# c\n---", "-", "=", "def f(x):\n    return x", "class A:\n    def b(self):\n        pass"),
    *("@deco\ndef g(): pass", "// comment\nfunction h() { return 1; }", "/* c\n */\nint main() {\n}\n"),
    "fn f() {}\n\nimpl A {}",
    *("key: value\nlist:\n  - a\n  - b", "[table]\nx = 1", '{"a": [1, 2],\n "b": {}}', "select * from t;\n\ninsert into t;"),
)  # fmt: skip
SIZES = (
    (1, None, 0),
    (7, 0, 3),
    (40, None, 0),
    (40, 40, 20),
    (120, 30, 50),
    (120, None, 0),
    (500, None, 0),
    (500, 100, 120),
)
CUSTOM = (SeparatorLevel(compile_separator(r"\n#+ ")), SeparatorLevel(compile_separator(r"\. ")), *PLAIN_TEXT)


def prose(source: random.Random, count: int, foreign: float) -> str:
    """Words, punctuation and white space; ``foreign``: how much of it is outside ASCII."""

    def one_of(plain: tuple[str, ...], other: tuple[str, ...]) -> str:
        return source.choice(other if source.random() < foreign else plain)

    parts: list[str] = []
    for _ in range(count):
        parts.append(one_of(WORDS, FOREIGN))
        if source.random() < 0.2:
            parts.append(one_of(STOPS, FOREIGN_STOPS))
        parts.append(one_of(SPACES, FOREIGN_SPACES))
    return "".join(parts)


def texts(name: str) -> Iterator[str]:
    """The same on every machine."""
    source = random.Random(f"golden {name}")
    for number in range(40 if name in ("", "markdown") else 10):
        foreign = (0.0, 0.0, 0.02, 0.5)[number % 4]
        parts: list[str] = []
        for _ in range(source.choice((1, 4, 15))):
            if source.random() < 0.5:
                parts.append(source.choice(MARKUP))
            else:
                parts.append(prose(source, source.choice((1, 8, 60)), foreign))
            parts.append(source.choice(("\n", "\n\n", "\n\n", "\n \t\n", "\r\n\r\n", "\n\n\n", " ", "")))
        yield "".join(parts)


def levels_for(name: str, text: str) -> tuple[Level, ...]:
    if name == "custom":
        return CUSTOM
    language = find_language(name)
    return levels_of(language, text) if language else PLAIN_TEXT


def digest(name: str) -> str:
    """Of all splits of the texts in one language."""
    state = hashlib.sha256()
    for number, original in enumerate(texts(name)):
        text = line_feeds(original)
        for size, least, overlap in (*SIZES, (number + 8, number, number + 7)):
            levels = levels_for(name, text)
            spans = split_text(
                text, chunk_size=size, min_chunk_size=least, chunk_overlap=overlap, levels=levels
            )
            state.update(flat(chunk_table(original, spans)))
    return state.hexdigest()[:16]


def flat(table: ChunkTable) -> bytes:
    """All that is in a table."""
    rows = [(tuple(key), (row.text,), tuple(row.start), tuple(row.end)) for key, row in table.items()]
    return repr(rows).encode()


def digest_of_separation() -> str:
    state = hashlib.sha256()
    for text in texts("separators"):
        for keep in ("NONE", "LEFT", "RIGHT"):
            for trim in (True, False):
                spans = separate(text, compile_separator(r"[ \n]+"), keep=keep, include_empty=True, trim=trim)
                state.update(flat(chunk_table(text, spans)))
    return state.hexdigest()[:16]


NAMES = ("", "custom", *(language.name for language in LANGUAGES))
GOLDEN = {
    "": "089a1407cc414359",
    "custom": "b62d5e2230b19b43",
    "c": "72817b84d6e3e8dd",
    "cpp": "fc47adb5548db63b",
    "csharp": "4a919fa92479c72d",
    "css": "b73475d71e3c7b18",
    "dtd": "fb6891c9decbbe2a",
    "fortran": "e0ecc5c15d2281aa",
    "go": "28fb0e815fc8c459",
    "html": "f822f9069f689235",
    "java": "ac23fef3abbd4f13",
    "javascript": "5371fb0cc1ad8c35",
    "json": "7c9237a56e173743",
    "kotlin": "165292fd51b4a6cb",
    "markdown": "42d58f1b522f5ed7",
    "pascal": "6d83cf8f65b6ea43",
    "php": "10a5c5f58ed9f471",
    "python": "2a73500edfb7555c",
    "r": "aab33deffedfd458",
    "ruby": "7fc6ec07cf1fd303",
    "rust": "278d8879ec767d40",
    "scala": "955614753407ddf3",
    "solidity": "bf7719a1f84dde9e",
    "sql": "9767bf07d0feb310",
    "swift": "d9c6ae9984a9efb9",
    "toml": "a0dfd158015a2c2e",
    "tsx": "4a15842c82c9bf47",
    "typescript": "d64c19402b4e3e1e",
    "xml": "6d529f8e3c05c019",
    "yaml": "4ebadb54daf21f30",
    "separators": "26653a72124630df",
}


@pytest.mark.parametrize("name", NAMES)
def test_splits(name: str) -> None:
    assert digest(name) == GOLDEN[name]


def test_separation() -> None:
    assert digest_of_separation() == GOLDEN["separators"]


if __name__ == "__main__":
    for name in NAMES:
        print(f'    "{name}": "{digest(name)}",')
    print(f'    "separators": "{digest_of_separation()}",')
