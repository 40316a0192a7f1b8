"""What a Markdown page says, found by rules alone: no model, no network, the same each time.

- A page's title is its first heading, its summary the first paragraph.
- Entities are the names in backticks that look like names of code or commands.
- A relation is two entities of one sentence with one to four plain words between them: ``a`` calls ``b``. Mere
  enumerations are none.
- Links are those to other Markdown pages below the same root.
"""

import posixpath
import re
from collections import Counter
from dataclasses import dataclass

import coco

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+\.md)(?:#[^)]*)?\)")
NAME = r"`([A-Za-z_][\w.-]*(?:\(\))?)`"
ENTITY = re.compile(NAME)
RELATION = re.compile(rf"{NAME}((?: +[a-z][a-z'-]*){{1,4}}) +(?={NAME})")
SENTENCE = re.compile(r"(?<=[.:;!?|])\s+|\n\s*\n|\n[-*|]")


@dataclass
class Relation:
    """One relation, with the words of the page."""

    subject: str
    predicate: str
    object: str


@dataclass
class Mention:
    """An entity, and how often the page names it."""

    entity: str
    times: int


@dataclass
class Link:
    """Another page, by its path below the root; it need not exist."""

    linked: str


@dataclass
class Page:
    """All that is taken from a page. No relation, mention or link is there twice."""

    title: str
    summary: str
    mentions: list[Mention]
    relations: list[Relation]
    links: list[Link]


@coco.op.function(cache=True)
def read_page(text: str, filename: str) -> Page:
    """A page taken apart. filename: its path below the root, from which links start."""
    text = FENCE.sub("\n", text)
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    plain = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    summary = next((part for part in plain if part[0] not in "#|-*<!["), "")
    found = Counter(_name(match[1]) for match in ENTITY.finditer(text))
    relations = {
        (_name(match[1]), " ".join(match[2].split()), _name(match[3])): None
        for sentence in SENTENCE.split(text)
        for match in RELATION.finditer(" ".join(sentence.split()))
        if match[2].strip() not in ("and", "or")
    }
    links = {_resolved(match[1], filename): None for match in LINK.finditer(text)}
    return Page(
        title=heading[1].replace("`", "").strip() if heading else filename,
        summary=re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", summary)[:300],
        mentions=[Mention(entity, times) for entity, times in sorted(found.items())],
        relations=[Relation(*parts) for parts in relations],
        links=[Link(link) for link in links if link not in ("", filename)],
    )


def _name(text: str) -> str:
    return text.removesuffix("()").rstrip(".-")


def _resolved(link: str, filename: str) -> str:
    """The path of a linked page below the root; nothing if it is outside."""
    if "://" in link or link.startswith("/"):
        return ""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(filename), link))
    return "" if path.startswith("..") else path
