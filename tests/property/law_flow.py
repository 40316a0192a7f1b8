"""Flows of many shapes, and what their targets must hold: the same computation in plain Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from memory_rows import MemoryRows

import coco
from coco import op

SOURCES = ("one", "two", "three")
TARGETS = ("lines", "loudest", "words", "ids", "whole")


@dataclasses.dataclass
class Part:
    at: int
    text: str


@dataclasses.dataclass
class WordInfo:
    length: int


@op.function(behavior_version=1)
def law_parts(text: str) -> list[Part]:
    return [Part(at, line) for at, line in enumerate(text.split("/")) if line]


@op.function(cache=True, behavior_version=1)
def law_words(text: str) -> dict[str, WordInfo]:
    return {word: WordInfo(len(word)) for word in text.split()}


def _evil(text: str) -> None:
    if "evil" in text:
        raise ValueError("this is evil")


@op.function(cache=True)
def law_loud_upper(text: str) -> str:
    _evil(text)
    return text.upper()


@op.function(cache=True)
def law_loud_title(text: str) -> str:
    return text.title()


@op.function()
def law_loud_twice(text: str) -> str:
    _evil(text)
    return f"{text.upper()}!"


@op.function(cache=True, batching=True, max_batch_size=3)
def law_loud_batch(texts: list[str]) -> list[str]:
    for text in texts:
        _evil(text)
    return [text[::-1] for text in texts]


@op.function(cache=True)
async def law_loud_async(text: str) -> str:
    return f"~{text}"


LOUD: list[tuple[Any, Callable[[str], str]]] = [
    (law_loud_upper, lambda text: _checked(text, text.upper())),
    (law_loud_title, lambda text: text.title()),
    (law_loud_twice, lambda text: _checked(text, f"{text.upper()}!")),
    (law_loud_batch, lambda text: _checked(text, text[::-1])),
    (law_loud_async, lambda text: f"~{text}"),
]


def _checked(text: str, result: str) -> str:
    _evil(text)
    return result


def measure_of(version: int) -> Any:
    """One function at different behaviour versions; the odd ones fail on some contents."""

    @op.function(cache=version % 3 == 0, behavior_version=version)
    def law_measure(text: str) -> int:
        return measured(text, version)

    return law_measure


def measured(text: str, version: int) -> int:
    if version % 2 and "bad" in text:
        raise ValueError("bad content")
    return len(text) + version // 2


@dataclasses.dataclass(frozen=True)
class Shape:
    """One version of the flow. ``feeds``: (target, source) pairs. ``extra``: field sets that are switched."""

    sources: tuple[str, ...] = ("one", "two")
    targets: tuple[str, ...] = TARGETS
    feeds: frozenset[tuple[str, str]] = frozenset(
        (target, source) for target in TARGETS for source in SOURCES if (target, source) != ("lines", "two")
    )
    loud: int = 0
    version: int = 1
    extra: frozenset[str] = frozenset()
    style: str = "ordinal"

    def fed(self, target: str, source: str) -> bool:
        return target in self.targets and source in self.sources and (target, source) in self.feeds

    def active(self) -> list[str]:
        """Targets that are really exported: those that something feeds."""
        return [item for item in self.targets if any(self.fed(item, source) for source in self.sources)]

    def key_fields(self, target: str) -> list[str]:
        return {
            "lines": ["file", "at"],
            "loudest": ["loud"],
            "words": ["word"],
            "ids": ["id"],
            "whole": ["file"],
        }[target]

    def value_fields(self, target: str) -> list[str]:
        renamed = "noise" if "renamed" in self.extra else "loud"
        return {
            "lines": [renamed, *(["size"] if "size" in self.extra else []), "fixed"],
            "loudest": ["file", "at"],
            "words": ["length", *(["origin", "at"] if "origin" in self.extra else [])],
            "ids": ["file", "text"],
            "whole": ["size", "parts", *(["words"] if "tables" in self.extra else [])],
        }[target]


def flow_of(shape: Shape, spec_of: Callable[[str], Any], name: str = "Law") -> coco.Flow:
    """The flow of a shape. ``spec_of``: target spec by name of the target."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        collectors = {item: scope.add_collector(f"c_{item}") for item in shape.active()}
        loud = LOUD[shape.loud][0]
        for source in shape.sources:
            scope[source] = builder.add_source(MemoryRows(name=source, style=shape.style))
            with scope[source].row() as doc:
                doc["size"] = doc["content"].transform(measure_of(shape.version))
                doc["parts"] = doc["content"].transform(law_parts)
                doc["words"] = doc["content"].transform(law_words)
                with doc["parts"].row() as part:
                    part["loud"] = part["text"].transform(loud)
                    part["words"] = part["text"].transform(law_words)
                    with part["words"].row() as word:
                        if shape.fed("words", source):
                            fields = {"word": word["_key"], "length": word["length"]}
                            if "origin" in shape.extra:
                                fields |= {"origin": doc["_key"], "at": part["at"]}
                            collectors["words"].collect(**fields)
                    if shape.fed("lines", source):
                        renamed = "noise" if "renamed" in shape.extra else "loud"
                        fields = {"file": doc["_key"], "at": part["at"], renamed: part["loud"]}
                        if "size" in shape.extra:
                            fields["size"] = doc["size"]
                        collectors["lines"].collect(**fields, fixed="x")
                    if shape.fed("loudest", source):
                        collectors["loudest"].collect(loud=part["loud"], file=doc["_key"], at=part["at"])
                    if shape.fed("ids", source):
                        collectors["ids"].collect(
                            id=coco.GeneratedField.UUID, file=doc["_key"], text=part["text"]
                        )
                if shape.fed("whole", source):
                    fields = {"file": doc["_key"], "size": doc["size"], "parts": doc["parts"]}
                    if "tables" in shape.extra:
                        fields["words"] = doc["words"]
                    collectors["whole"].collect(**fields)
        for target, collector in collectors.items():
            collector.export(target, spec_of(target), primary_key_fields=shape.key_fields(target))

    return coco.open_flow(name, define)
