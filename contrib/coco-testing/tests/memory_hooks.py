"""What suites of the reference target give, and those of its mutants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.reference.target import MOST_CHARACTERS, SERVER, TABLES, make_table, rows_of
from coco_testing.report import real_server
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES

ENDS = UNSUPPORTED("its tables end with the process")
ABILITIES = claim(ALL_TARGET_ABILITIES, {"crash.killed": ENDS, "concurrent_processes": ENDS})
SECRET = "correct horse battery"


class MemoryHooks:
    """Hooks of ``TargetSuite``."""

    met = real_server("a dictionary")

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        return rows_of(spec.name, shape)

    def secrets(self, spec: Any) -> Iterable[str]:
        return [SECRET]

    def foreign_resource(self, spec: Any, shape: Shape, rows: NaturalRows) -> None:
        make_table(spec.name, shape, rows)

    def lose_resource(self, spec: Any, shape: Shape) -> None:
        del TABLES[spec.name]

    def lose_connections(self, spec: Any) -> None:
        SERVER.generation += 1

    def bad_row(self, spec: Any) -> tuple[Any, dict[str, Any]]:
        return "bad", {"text": "x" * (MOST_CHARACTERS + 1), "size": 1}

    def indexed_fields(self, spec: Any) -> Iterable[str]:
        return TABLES[spec.name].indexes

    def old_spellings(self, spec: Any) -> Iterable[tuple[Any, Any]]:
        columns = {"key": {"id": "Str"}, "value": {"text": "Str?", "size": "Int64?"}}
        return [({"table": spec.name}, {"columns": columns})]
