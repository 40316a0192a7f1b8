"""A value taken as a whole holds what was added to rows inside it, wherever it goes: arguments, entries, results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from json_file import JsonFile, load
from memory_rows import MemoryRows, fill

import coco


@dataclasses.dataclass
class Word:
    text: str


@dataclasses.dataclass
class Line:
    number: int
    words: list[Word]


@dataclasses.dataclass
class Page:
    title: str
    lines: list[Line]
    foot: Line | None


@dataclasses.dataclass
class LoudWord:
    text: str
    loud: str


@dataclasses.dataclass
class LoudLine:
    number: int
    words: list[LoudWord]


@dataclasses.dataclass
class LoudPage:
    title: str
    lines: list[LoudLine]
    foot: LoudLine | None


words = st.lists(st.builds(Word, st.text("ab", max_size=2)), max_size=3)
lines = st.builds(Line, st.integers(0, 9), words)
pages = st.builds(Page, st.text("xy", max_size=2), st.lists(lines, max_size=3), st.none() | lines)


@coco.op.function()
def shout(text: str) -> str:
    return text.upper() + "!"


@coco.op.function()
def whisper(text: str) -> str:
    return text.lower()


@coco.op.function()
def parse(text: str) -> Page:
    parts = [Line(number, [Word(word) for word in row.split()]) for number, row in enumerate(text.split("/"))]
    return Page(text, parts, parts[-1] if len(parts) > 1 else None)


@coco.op.function()
def shown(page: LoudPage, extra: list[LoudWord] | None = None) -> str:
    return f"{page} {extra}" if extra is not None else str(page)


@coco.op.function()
def vocabulary(text: str) -> list[Word]:
    return [Word(word) for word in text.split()]


def loud_line(line: Line) -> LoudLine:
    return LoudLine(line.number, [LoudWord(word.text, word.text.upper() + "!") for word in line.words])


def loud_page(page: Page) -> LoudPage:
    foot = None if page.foot is None else loud_line(page.foot)
    return LoudPage(page.title, [loud_line(line) for line in page.lines], foot)


def add_loud(page: coco.DataSlice[Any], function: Any = shout) -> None:
    with page["lines"].row() as line, line["words"].row() as word:
        word["loud"] = word["text"].transform(function)
    with page["foot"]["words"].row() as word:
        word["loud"] = word["text"].transform(function)


@coco.transform_flow()
def enriched(page: coco.DataSlice[Page]) -> coco.DataSlice[LoudPage]:
    add_loud(page)
    return page


@coco.transform_flow()
def enriched_lines(page: coco.DataSlice[Page]) -> coco.DataSlice[list[LoudLine]]:
    add_loud(page)
    return page["lines"]


@settings(max_examples=examples(40))
@given(st.lists(pages, min_size=1, max_size=3))
def test_results_of_transform_flows(given_pages: list[Page]) -> None:
    expected = [loud_page(page) for page in given_pages]
    assert enriched.evaluate(page=given_pages) == expected
    assert enriched_lines.evaluate(page=given_pages) == [page.lines for page in expected]


def book(path: Path, function: Any = shout) -> coco.Flow:
    known = coco.flows().get("Book")
    if known is not None:
        known.close()

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="added fields"))
        scope["extra"] = builder.transform(vocabulary, "big small")
        with scope["extra"].row() as word:
            word["loud"] = word["text"].transform(shout)
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["page"] = doc["content"].transform(parse)
            add_loud(doc["page"], function)
            doc["shown"] = doc["page"].transform(shown)
            doc["both"] = doc["page"].transform(shown, scope["extra"])
            rows.collect(
                key=doc["_key"],
                page=doc["page"],
                lines=doc["page"]["lines"],
                shown=doc["shown"],
                both=doc["both"],
                extra=scope["extra"],
            )
        rows.export("rows", JsonFile(path=str(path)), primary_key_fields=["key"])

    return coco.open_flow("Book", define)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=dataclasses.asdict))


def test_arguments_entries_and_values_of_the_root(tmp_path: Path) -> None:
    texts = {"a": "one two/three", "b": "", "c": "x"}
    fill("added fields", texts)
    flow = book(tmp_path / "rows.json")
    flow.setup()
    plan = flow.plan()
    open_ended = {call.function: call.open_ended for call in plan.calls}
    assert open_ended["Shout (extra.loud)"], (
        "rows of a table that nobody has computed yet are not counted as none"
    )
    assert flow.update()["docs"].num_insertions == 3
    extra = [LoudWord("big", "BIG!"), LoudWord("small", "SMALL!")]
    expected = {}
    for key, text in texts.items():
        page = loud_page(parse(text))
        expected[key,] = {
            "page": plain(page),
            "lines": plain(page.lines),
            "shown": str(page),
            "both": f"{page} {extra}",
            "extra": plain(extra),
        }
    assert load(tmp_path / "rows.json") == expected
    assert flow.update()["docs"].num_no_change == 3
    flow.evaluate_and_dump(coco.EvaluateAndDumpOptions(output_dir=str(tmp_path / "dump")))
    assert len(list((tmp_path / "dump").rglob("*.yaml"))) == 3


def test_a_changed_function_inside_a_value_recomputes_its_rows(tmp_path: Path) -> None:
    fill("added fields", {"a": "One"})
    first = book(tmp_path / "rows.json")
    first.setup()
    first.update()
    book(tmp_path / "rows.json", whisper).update()
    (row,) = load(tmp_path / "rows.json").values()
    assert row["lines"] == [{"number": 0, "words": [{"text": "One", "loud": "one"}]}]
