"""Definitions in programming languages, keys in data files, elements in markup."""

import pytest

from coco_function_text.code import levels_of
from coco_function_text.languages import LANGUAGES, find_language
from coco_function_text.recursion import split_text


def split(text: str, name: str, size: int, least: int | None = None) -> list[str]:
    language = find_language(name)
    assert language is not None
    spans = split_text(text, chunk_size=size, min_chunk_size=least, levels=levels_of(language, text))
    return [text[start:end] for start, end in spans]


PYTHON = '''\
import os
X = 1
# about f
# more about f
@decorated
def f():
    a = 1

    return a
class A:
    """Text."""

    def one(self):
        b = 2

        return b

    # about two
    @property
    async def two(self):
        return 3
'''


def test_python_items_take_their_comments_and_decorators_along() -> None:
    assert split(PYTHON, "python", 80, 1) == [
        "import os\nX = 1",
        "# about f\n# more about f\n@decorated\ndef f():\n    a = 1\n\n    return a",
        'class A:\n    """Text."""\n\n    def one(self):\n        b = 2\n\n        return b',
        "# about two\n    @property\n    async def two(self):\n        return 3",
    ]


def test_comments_and_decorators_of_several_lines() -> None:
    one = "def one():\n        a = 1\n        b = 2\n        return a + b"
    two = '@given(\n        "a",\n        [1],\n    )\n    # why\n    def two():\n        return 1'
    text = f"class A:\n    {one}\n    {two}"
    assert split(text, "python", len(two) + 4, 1) == [f"class A:\n    {one}", two]
    two = "/*\n    two is\n    not one\n    */\n    public void two() {}"
    text = f"class A {{\n    public void one() {{\n        a();\n    }}\n    {two}\n}}"
    assert two + "\n}" in split(text, "java", len(two) + 4, 1)
    assert split("a = (\n  1,\n)\ndef f(): 1", "python", 16, 1) == ["a = (\n  1,\n)", "def f(): 1"]


def test_a_function_that_fits_is_one_chunk() -> None:
    functions = [
        f"def f{n}():\n" + "".join(f"    x{k} = {k}\n\n" for k in range(n)) + "    return 1"
        for n in range(12)
    ]
    text = "\n\n\n".join(functions)
    size = max(map(len, functions))
    chunks = split(text, "python", size)
    assert all(any(function in chunk for chunk in chunks) for function in functions)


SOURCES = {
    "c": [
        "#include <a.h>",
        "/* one */\nint one(void)\n{\n  return 1;\n}",
        "static int two(int a)\n{\n  return a;\n}",
    ],
    "cpp": ["namespace n {", "class A {\n  int a;\n};", "template <class T>\nT two(T a)\n{\n  return a;\n}"],
    "csharp": ["using A;", "[Attr]\npublic class One\n{\n  int a;\n}", "internal struct Two\n{\n  int b;\n}"],
    "css": ["@media print {\n  a { b: c }\n}", ".one {\n  d: e\n}", "#two > p {\n  f: g\n}"],
    "fortran": [
        "program p\n  x = 1\nend program",
        "! about\nsubroutine a(x)\n  x = 2\nend subroutine",
        "real function b(x)\n  b = x\nend function",
    ],
    "go": [
        "package main",
        "// One is one.\nfunc One() int {\n\treturn 1\n}",
        "type Two struct {\n\ta int\n}",
    ],
    "java": ["import a.B;", "@A\npublic class One {\n  int a;\n}", "interface Two {\n  int b();\n}"],
    "javascript": [
        "import a from 'b'",
        "/** one */\nexport function one() {\n  return 1\n}",
        "const two = (a) => {\n  return a\n}",
    ],
    "kotlin": ["import a.b", "@A\nfun one(): Int {\n  return 1\n}", "data class Two(\n  val a: Int\n)"],
    "pascal": [
        "unit U;",
        "procedure One;\nbegin\n  a := 1;\nend;",
        "function Two: Integer;\nbegin\n  Two := 2;\nend;",
    ],
    "php": ["<?php", "/** one */\nfunction one() {\n  return 1;\n}", "final class Two {\n  public $a;\n}"],
    "r": ["library(a)", "# one\none <- function(x) {\n  x\n}", "two = function(y) {\n  y\n}"],
    "ruby": ["require 'a'", "# one\ndef one\n  1\nend", "class Two\n  attr :a\nend"],
    "rust": [
        "use a::b;",
        "/// one\n#[inline]\npub fn one() -> u8 {\n    1\n}",
        "impl Two {\n    const A: u8 = 1;\n}",
    ],
    "scala": ["import a.b", "object One {\n  val a = 1\n}", "case class Two(\n  a: Int\n)"],
    "solidity": ["pragma solidity;", "contract One {\n  uint a;\n}", "library Two {\n  uint b;\n}"],
    "sql": ["-- all\nselect a\nfrom b;", "CREATE TABLE c (\n  d int\n);", "insert into c\nvalues (1);"],
    "swift": ["import A", "@main\nstruct One {\n  let a = 1\n}", "public func two() -> Int {\n  return 2\n}"],
    "toml": ["a = 1", "[one]\nb = 2\nc = 3", "# two\n[[two]]\nd = 4\ne = 5"],
    "typescript": [
        "import a from 'b'",
        "export interface One {\n  a: string\n}",
        "export type Two = {\n  b: number\n}",
    ],
    "tsx": [
        "import a from 'b'",
        "export default function One() {\n  return <p/>\n}",
        "const Two = () => {\n  return <a/>\n}",
    ],
    "yaml": ["version: 1", "# one\none:\n  a: b\n  c: d", "two:\n  - e\n  - f"],
    "dtd": ["<!ELEMENT a (b,\n  c)>", "<!-- b -->\n<!ELEMENT b (#PCDATA)>", "<!ENTITY d 'e'>"],
    "xml": ["<a>", "<b>\n  <c/>\n  <d/>\n</b>", "<e>\n  <f/>\n</e>"],
    "html": ["<head><title>t</title></head>", "<h1>One</h1><p>text of it</p>", "<h1>Two</h1><p>more</p>"],
    "json": ["{", '"one": {\n  "a": 1,\n  "b": 2\n},', '"two": [\n  3,\n  4\n]\n}'],
}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_top_level_items(name: str) -> None:
    """Written without blank lines, the items of every language are what a text is cut into first."""
    items = SOURCES[name]
    chunks = split("\n".join(items), name, max(map(len, items)), 1)
    assert len(chunks) > 1
    assert all(any(item in chunk for chunk in chunks) for item in items)
    assert all(chunk.startswith(tuple(items)) for chunk in chunks)


def test_every_language_has_a_sample() -> None:
    assert {language.name for language in LANGUAGES} - set(SOURCES) == {"python", "markdown"}


def test_members_of_a_class_with_tabs_and_spaces() -> None:
    for indent in ("\t", "  ", "    "):
        members = [
            f"// about\n{indent}public int m{n}() {{\n{indent}{indent}return {n};\n{indent}}}"
            for n in range(4)
        ]
        text = "public class A {\n" + "\n".join(indent + member for member in members) + "\n}"
        chunks = split(text, "java", max(map(len, members)) + 2, 1)
        assert all(any(member in chunk for chunk in chunks) for member in members)


def test_statements_are_cut_at_the_outermost_indent_first() -> None:
    block = "if a {\n    if b {\n        c()\n        d()\n    }\n    e()\n}"
    chunks = split(f"func f() {{\n    {block}\n    {block}\n}}".replace("\n", "\n    "), "go", 100, 30)
    assert all(chunk.startswith(("func", "if a")) for chunk in chunks)


def test_minified_source_is_cut_at_statements() -> None:
    text = "function a(){" + "".join(f"var x{n}=f({n});" for n in range(50)) + "}"
    assert all(chunk.endswith((";", "}")) for chunk in split(text, "js", 60))


def test_source_with_carriage_returns() -> None:
    text = PYTHON.replace("\n", "\r\n")
    chunks = split(text, "python", 90, 1)
    assert any(chunk.startswith("# about f\r\n") and chunk.endswith("return a") for chunk in chunks)


def test_broken_source_is_split_all_the_same() -> None:
    text = "def f(:\n  ((((\n class\n" * 30
    assert "".join("".join(split(text, "python", 50)).split()) == "".join(text.split())
