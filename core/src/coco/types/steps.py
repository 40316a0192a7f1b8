"""Building blocks of decoders.

A ``Step`` writes the code that replaces the engine value in a variable by a Python value; None means that no code is
needed. A ``RowStep`` does the same for variables that hold the fields of a row, and returns the expression for the whole
row. Both receive the path of the values, relative to the innermost loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from coco.types.codegen import FunctionWriter
from coco.types.mismatch import Path, mismatch

Step: TypeAlias = Callable[[FunctionWriter, str, Path], None]
RowStep: TypeAlias = Callable[[FunctionWriter, Sequence[str], Path], str]


def run(step: Step | None, writer: FunctionWriter, v: str, path: Path) -> None:
    """Write a step; do nothing for None."""
    if step is not None:
        step(writer, v, path)


def apply(function: Callable[[Any], Any] | None) -> Step | None:
    """Return the step ``v = function(v)``."""
    if function is None:
        return None
    return lambda writer, v, path: writer.line(f"{v} = {writer.name(function, _name(function))}({v})")


def apply_at(function: Callable[[Any, Path], Any]) -> Step:
    """Return the step ``v = function(v, path)``, for functions that can fail."""
    return lambda writer, v, path: writer.line(
        f"{v} = {writer.name(function, _name(function))}({v}, {path!r})"
    )


def check_at(function: Callable[[Any, Path], None]) -> Step:
    """Return the step ``function(v, path)``, for functions that raise or do nothing."""
    return lambda writer, v, path: writer.line(f"{writer.name(function, _name(function))}({v}, {path!r})")


def chain(*steps: Step | None) -> Step | None:
    """Return a step that does several steps in order."""
    present = [step for step in steps if step is not None]
    if len(present) < 2:
        return present[0] if present else None

    def write(writer: FunctionWriter, v: str, path: Path) -> None:
        for step in present:
            step(writer, v, path)

    return write


def null_aware(step: Step | None, *, source: bool, target: bool, expected: str) -> Step | None:
    """Return ``step`` for values that may be null if ``source``. A null is an error unless ``target`` allows it."""
    if not source or (target and step is None):
        return step

    def write(writer: FunctionWriter, v: str, path: Path) -> None:
        if target:
            with writer.block(f"if {v} is not None:"):
                run(step, writer, v, path)
            return
        with writer.block(f"if {v} is None:"):
            writer.line(f"raise {writer.name(mismatch, 'mismatch')}({expected!r}, None, {path!r})")
        run(step, writer, v, path)

    return write


def list_of(element: Step | None) -> Step:
    """Return the step to a list of the results of ``element``."""

    def write(writer: FunctionWriter, v: str, path: Path) -> None:
        if element is None:
            writer.line(f"{v} = list({v})")
            return
        with writer.loop(v, path) as (item, out):
            element(writer, item, ())
            writer.line(f"{out}.append({item})")
        writer.line(f"{v} = {out}")

    return write


def unpacked(names: Sequence[str], row: RowStep) -> Step:
    """Return the step for a row that is a tuple. ``names``: of all its fields."""

    def write(writer: FunctionWriter, v: str, path: Path) -> None:
        variables = [writer.fresh(name) for name in names]
        if variables:
            writer.line(f"{', '.join(variables)}, = {v}")
        writer.line(f"{v} = {row(writer, variables, path)}")

    return write


def keyed(names: Sequence[str], parts: int, key: RowStep, row: RowStep) -> Step:
    """Return the step to a dict from rows whose first ``parts`` fields are the key."""

    def write(writer: FunctionWriter, v: str, path: Path) -> None:
        with writer.loop(v, path) as (item, out):
            # The loop derives the position in an error's path from the length of this list.
            variables = [writer.fresh(name) for name in names]
            writer.line(f"{', '.join(variables)}, = {item}")
            key_value = key(writer, variables[:parts], ("<key>",))
            row_value = row(writer, variables[parts:], ())
            writer.line(f"{out}.append(({key_value}, {row_value}))")
        writer.line(f"{v} = dict({out})")

    return write


def tagged(alternatives: Sequence[Step | None]) -> Step:
    """Return the step for a value of a union, which holds the index of its alternative."""

    def write(writer: FunctionWriter, v: str, path: Path) -> None:
        tag = writer.fresh("tag")
        writer.line(f"{tag}, {v} = {v}")
        for index, step in enumerate(alternatives):
            if step is not None:
                with writer.block(f"if {tag} == {index}:"):
                    step(writer, v, path)

    return write


def _name(function: Any) -> str:
    name = getattr(function, "__name__", "convert")
    return "convert" if name == "<lambda>" else str(name)
