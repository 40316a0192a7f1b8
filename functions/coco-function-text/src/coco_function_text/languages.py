"""The languages that are built in: names, aliases, file extensions, and what their sections look like.

Names are those of tree-sitter-language-pack. ``items`` matches, behind its indent, the beginning of a line
that opens a definition; ``leads`` the beginning of a line right above it that belongs to it: a comment, a
decorator.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Shape = Literal["code", "data", "markup", "markdown"]


class Language(NamedTuple):
    """One language. ``extensions``: with their dot, in lower case. ``shape``: which family of levels splits
    it.

    ``items`` is about lines without indent, ``members`` about indented ones; None: the same as ``items``.
    """

    name: str
    extensions: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    shape: Shape = "code"
    items: str = ""
    members: str | None = None
    leads: str = ""
    ignore_case: bool = False


_SLASHES = r"//|/\*|\*"
_SLASHES_AND_AT = r"//|/\*|\*|@"
# With a limit: modifiers may stand on lines of their own, and each line would go over all those below it.
_MODIFIERS = (
    r"(?:(?:public|private|protected|internal|static|final|abstract|sealed|virtual|override|async|open|data|inline"
    r"|suspend|implicit|lazy|case|fileprivate|mutating|indirect|required|convenience|inner|value|enum|annotation"
    r"|companion|tailrec|operator|infix)\s+){0,12}"
)
_CLASS_MEMBERS = (
    r"(?:(?:public|protected|private|internal|static|abstract|override|virtual|synchronized|partial|sealed)\b"
    r"|(?:final\s+)?(?:namespace|class|interface|enum|record|struct|delegate|@interface)\b)"
)
_ECMASCRIPT_ITEMS = (
    r"(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:function|class|interface|enum|namespace|module|type\s+\w"
    r"|(?:const|let|var)\s+\w+\s*=\s*(?:async\s*)?(?:function|\())"
)
_ECMASCRIPT_MEMBERS = (
    r"(?:(?:export\s+)?(?:async\s+)?(?:function|class)\b"
    r"|(?!(?:if|for|while|switch|catch|with|return|do)\b)(?:(?:static|async|get|set|public|private|protected)\s+){0,12}"
    r"[*#]?\w+\s*\([^)\n]*\)\s*(?::[^{\n]+)?\{)"
)
_SQL_ITEMS = (
    r"(?:create|alter|drop|select|with|insert|update|delete|merge|truncate|grant|revoke|begin|commit|declare|call|do"
    r"|set|use|comment|copy|explain|vacuum|pragma)\b"
)


def _ecmascript(name: str, extensions: tuple[str, ...], aliases: tuple[str, ...] = ()) -> Language:
    return Language(
        name, extensions, aliases, "code", _ECMASCRIPT_ITEMS, _ECMASCRIPT_MEMBERS, _SLASHES_AND_AT
    )


LANGUAGES: tuple[Language, ...] = (
    Language(
        "c",
        (".c",),
        items=r"(?:(?:static|extern|inline|const|struct|union|enum|typedef|unsigned|signed|void|int|char|long|short"
        r"|float|double|bool|size_t)\b|[A-Za-z_]\w*[\s*]+[A-Za-z_]\w*\s*\()",
        members="",
        leads=_SLASHES,
    ),
    Language(
        "cpp",
        (".cpp", ".cc", ".cxx", ".h", ".hpp", ".hh", ".hxx"),
        ("c++",),
        items=r"(?:(?:namespace|class|struct|union|enum|template|typedef|using|static|extern|inline|constexpr"
        r"|virtual|explicit)\b|[A-Za-z_][\w:<>,]*[\s*&]+[A-Za-z_~][\w:]*\s*\()",
        members=r"(?:class|struct|union|enum|template|virtual|explicit|public:|private:|protected:)(?:\b|(?<=:))",
        leads=_SLASHES,
    ),
    Language("csharp", (".cs",), ("cs", "c#"), items=_CLASS_MEMBERS, leads=r"//|/\*|\*|\["),
    Language("css", (".css", ".scss"), items=r"(?:@\w|[.#*:\w\[&][^\n;]*[{,]\s*$)", leads=_SLASHES),
    Language("dtd", (".dtd",), shape="data", items=r"<!(?:ELEMENT|ENTITY|NOTATION)", leads=r"<!--"),
    Language(
        "fortran",
        (".f", ".f90", ".f95", ".f03"),
        ("f", "f90", "f95", "f03"),
        items=r"(?:(?:pure|elemental|recursive|integer|real|logical|character|double precision|complex)\b"
        r"[^\n]{0,60}?\s)?(?:program|module|submodule|subroutine|function|interface|type(?!\s*\()|block\s*data)\b",
        leads=r"[!cC*]",
        ignore_case=True,
    ),
    Language(
        "go", (".go",), ("golang",), items=r"(?:func|type|var|const|import)\b", members="", leads=_SLASHES
    ),
    Language("html", (".html", ".htm"), shape="markup"),
    Language("java", (".java",), items=_CLASS_MEMBERS, leads=_SLASHES_AND_AT),
    _ecmascript("javascript", (".js", ".jsx", ".mjs", ".cjs"), ("js", "jsx")),
    Language("json", (".json",), shape="data"),
    Language(
        "kotlin",
        (".kt", ".kts"),
        ("kt",),
        items=_MODIFIERS + r"(?:class|interface|object|fun|typealias|enum)\b",
        leads=_SLASHES_AND_AT,
    ),
    Language("markdown", (".md", ".mdx"), ("md",), shape="markdown"),
    Language(
        "pascal",
        (".pas", ".dpr"),
        ("pas", "dpr", "delphi"),
        items=r"(?:program|unit|library|interface|implementation|type|const|var|procedure|function|constructor"
        r"|destructor|class)\b",
        members=r"(?:class\s+)?(?:procedure|function|constructor|destructor)\b",
        leads=r"//|\{|\(\*",
        ignore_case=True,
    ),
    Language(
        "php",
        (".php",),
        items=_MODIFIERS + r"(?:namespace|class|interface|trait|enum|function)\b",
        leads=r"//|/\*|\*|#",
    ),
    Language("python", (".py", ".pyi"), ("py",), items=r"(?:async\s+def|def|class)\b", leads=r"[#@]"),
    Language("r", (".r",), items=r"[\w.]+\s*(?:<-|=)\s*(?:function\b|R6Class|setRefClass)", leads=r"#"),
    Language(
        "ruby",
        (".rb",),
        ("rb",),
        items=r"(?:module|class|def|namespace|task|describe|context)\b",
        leads=r"#",
    ),
    Language(
        "rust",
        (".rs",),
        ("rs",),
        items=r"(?:pub(?:\([^)\n]*\))?\s+)?(?:default\s+)?(?:const\s+)?(?:async\s+)?(?:unsafe\s+)?"
        r"(?:extern\s+(?:\"[^\"\n]*\"\s+)?)?"
        r"(?:fn|struct|enum|union|trait|impl|mod|type|static|macro_rules!)(?:\b|(?<=!))",
        leads=r"//|/\*|\*|#",
    ),
    Language(
        "scala",
        (".scala",),
        items=_MODIFIERS + r"(?:class|object|trait|def|enum|given|extension|package|type)\b",
        leads=_SLASHES_AND_AT,
    ),
    Language(
        "solidity",
        (".sol",),
        ("sol",),
        items=r"(?:abstract\s+)?(?:contract|interface|library|function|modifier|constructor|event|struct|enum"
        r"|error|receive|fallback)\b",
        leads=_SLASHES,
    ),
    Language("sql", (".sql",), items=_SQL_ITEMS, members="", leads=r"--|/\*|\*", ignore_case=True),
    Language(
        "swift",
        (".swift",),
        items=_MODIFIERS + r"(?:class|struct|enum|protocol|extension|func|actor|init|typealias)\b",
        leads=_SLASHES_AND_AT,
    ),
    Language("toml", (".toml",), shape="data", items=r"\[", leads=r"#"),
    _ecmascript("tsx", (".tsx",)),
    _ecmascript("typescript", (".ts",), ("ts",)),
    Language("xml", (".xml",), shape="markup"),
    Language(
        "yaml",
        (".yaml", ".yml"),
        ("yml",),
        shape="data",
        items=r"(?:---|[\w\"'$.][^\n]*:(?:\s|$))",
        leads=r"#",
    ),
)


def _index() -> tuple[dict[str, Language], dict[str, Language]]:
    """By extension; by everything a language may be called."""
    extensions = {extension: language for language in LANGUAGES for extension in language.extensions}
    names = {extension.removeprefix("."): language for extension, language in extensions.items()} | extensions
    names.update((alias, language) for language in LANGUAGES for alias in language.aliases)
    names.update((language.name, language) for language in LANGUAGES)
    return extensions, names


_BY_EXTENSION, _BY_NAME = _index()


def language_names() -> list[str]:
    """Names of all languages, without aliases and extensions."""
    return [language.name for language in LANGUAGES]


def find_language(name: str) -> Language | None:
    """A language by name, alias or extension (with or without its dot), in any case; None if there is none.

    A name or alias goes before another language's extension.
    """
    return _BY_NAME.get(name.casefold())


def detect_language(filename: str) -> str | None:
    """The language of a file by the last extension of its name, in any case; None if unknown.

    ``filename`` may be a path with ``/`` or ``\\``. A name that only begins with a dot, as ``.py``, has no
    extension.
    """
    stem, dot, extension = re.split(r"[/\\]", filename)[-1].rpartition(".")
    if not stem or not dot:
        return None
    language = _BY_EXTENSION.get(f".{extension.casefold()}")
    return language.name if language else None
