"""``Literal`` and ``Enum`` in flows: one bad value costs its row, and the set of values may grow."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Any, Literal

import pytest
from json_file import JsonFile, load
from memory_rows import MemoryRows, fill

import coco
from coco.errors import DefinitionError
from coco.events import FlowEvent, FunctionCalled


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


def colors(*names: str) -> Any:
    """Types and functions that are the same but for the colours there are: an ``Enum``, and a struct that holds it."""
    color = enum.Enum("Color", {name: name[0].lower() for name in names})
    stroke = dataclasses.make_dataclass("Stroke", [("color", color), ("others", list[color])])

    def color_of(text: str) -> color:  # type: ignore[valid-type]
        return text[0]

    def name_of(shade: color, mode: Literal["short", "long"]) -> str:  # type: ignore[valid-type]
        return shade.name if mode == "long" else shade.value  # type: ignore[attr-defined]

    def stroke_of(shade: color) -> stroke:  # type: ignore[valid-type]
        return stroke(shade, [shade])

    return (
        coco.op.function(cache=True)(color_of),
        coco.op.function()(name_of),
        coco.op.function(cache=True)(stroke_of),
    )


def painting(path: Path, *names: str, mode: Any = "long") -> coco.Flow:
    known = coco.flows().get("Painting")
    if known is not None:
        known.close()
    color_of, name_of, stroke_of = colors(*names or ("RED", "BLUE"))

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="choices"))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["color"] = doc["content"].transform(color_of)
            rows.collect(
                key=doc["_key"],
                color=doc["color"],
                name=doc["color"].transform(name_of, mode=mode),
                stroke=doc["color"].transform(stroke_of),
                kind=Color.RED,
            )
        rows.export("rows", JsonFile(path=str(path)), primary_key_fields=["key", "color"])

    return coco.open_flow("Painting", define)


def test_a_value_that_is_not_a_choice_fails_its_row(tmp_path: Path) -> None:
    fill("choices", {"1": "red", "2": "green", "3": "blue"})
    flow = painting(tmp_path / "rows.json")
    flow.setup()
    stats = flow.update()["docs"]
    assert (stats.num_insertions, stats.num_errors) == (2, 1)
    assert load(tmp_path / "rows.json") == {
        ("1", "r"): {"name": "RED", "stroke": {"color": "r", "others": ["r"]}, "kind": "r"},
        ("3", "b"): {"name": "BLUE", "stroke": {"color": "b", "others": ["b"]}, "kind": "r"},
    }
    (failure,) = flow.errors()
    assert (failure.key, failure.source) == ("2", "docs")
    assert "expected Color ('r' or 'b'), got str 'g'" in failure.message


def test_an_additional_choice_changes_no_existing_row(tmp_path: Path, events: list[FlowEvent]) -> None:
    fill("choices", {"1": "red", "2": "green"})
    first = painting(tmp_path / "rows.json")
    first.setup()
    first.update()
    second = painting(tmp_path / "rows.json", "RED", "BLUE", "GREEN")
    described, up_to_date = coco.flow.make_setup_bundle([second]).describe()
    assert up_to_date and "NOTE" not in described
    events.clear()
    second.update()
    calls = [event.calls for event in events if isinstance(event, FunctionCalled)]
    assert load(tmp_path / "rows.json").keys() == {("1", "r"), ("2", "g")}
    assert sum(calls) == 3, "the row that failed is tried again; nothing else is"


@pytest.mark.parametrize("mode", ["medium", 1])
def test_a_constant_that_is_not_a_choice_is_refused_at_definition(tmp_path: Path, mode: Any) -> None:
    with pytest.raises(DefinitionError, match=r"argument 'mode': expected 'short' or 'long', got"):
        painting(tmp_path / "rows.json", mode=mode).internal_flow()


def test_transform_flows() -> None:
    @coco.op.function()
    def opposite(color: Color) -> Color:
        return Color.BLUE if color is Color.RED else Color.RED

    @coco.transform_flow()
    def flipped(color: coco.DataSlice[Color]) -> coco.DataSlice[Color]:
        return color.transform(opposite)

    assert flipped.eval(Color.RED) is Color.BLUE
    assert flipped.eval("b") is Color.RED  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected Color \('r' or 'b'\), got str 'x'"):
        flipped.eval("x")  # type: ignore[arg-type]
