"""Targets that go wrong when something else does, one way each. ``kills``: checks that must fail."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from disk_table import DiskTable, InPlace, Locked, Slow, load
from target_mutants import C, converting, mutant, putting, setup

from coco.errors import DriftError, FencedError, MutationError, TargetError
from coco.index import IndexOptions
from coco_testing.abilities import NOT_IMPLEMENTED, Support, claim
from coco_testing.reference.target import (
    SERVER,
    TABLES,
    Table,
    TableState,
)
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

# -- what is there, what is gone --------------------------------------------------------------------
TestSeesNothing = mutant(
    "SeesNothing",
    "test_adoption",
    "test_foreign_resource",
    check_existing=staticmethod(lambda key, desired: None),
)
TestRefusesAll = mutant(
    "RefusesAll", "test_adoption", check_existing=staticmethod(lambda key, desired: key in TABLES and "no")
)


def _to_nowhere(*batches: Any) -> None:
    C.mutate_columns(*(item for item in batches if item[0].name in TABLES))


def _vague(*batches: Any) -> None:
    try:
        C.mutate_columns(*batches)
    except DriftError as error:
        raise TargetError(str(error)) from error


TestToNowhere = mutant("ToNowhere", "test_lost_resource", mutate_columns=staticmethod(_to_nowhere))
TestVague = mutant("Vague", "test_lost_resource", mutate_columns=staticmethod(_vague))
TestVagueAndSaysSo = mutant(
    "VagueAndSaysSo",
    mutate_columns=staticmethod(_vague),
    abilities={"drift": NOT_IMPLEMENTED},
    suite={"expects": {"test_lost_resource": "refused"}},
)
TestEmptyList = mutant(
    "EmptyList",
    "test_lost_resource",
    list_keys=staticmethod(lambda session: C.list_keys(session) if session.name in TABLES else iter(())),
)

# -- spellings, indexes -----------------------------------------------------------------------------
TestForgetsTheOld = mutant(
    "ForgetsTheOld", "test_old_spellings", upgrade_key=staticmethod(lambda data: str(data))
)
TestNoOldSpellings = mutant(
    "NoOldSpellings", "test_old_spellings", suite={"old_spellings": lambda self, spec: ()}
)
TestRespells = mutant(
    "Respells", "test_todays_spelling", upgrade_state=staticmethod(lambda data: {**data, "indexes": ["x"]})
)
TestGrows = mutant(
    "Grows",
    "test_stored_form_and_values_equal",
    stored_form=staticmethod(
        lambda spec, field: lambda value: value + "x" if isinstance(value, str) else value
    ),
)
TestNeverEqual = mutant(
    "NeverEqual", "test_stored_form_and_values_equal", values_equal=staticmethod(lambda field, a, b: False)
)
TestAllEqual = mutant(
    "AllEqual", "test_values[value Int64]", values_equal=staticmethod(lambda field, a, b: True)
)


def _no_indexes(spec: Any, key_fields: Any, value_fields: Any, index_options: Any) -> TableState:
    return C.get_setup_state(spec, key_fields, value_fields, IndexOptions(index_options.primary_key_fields))


def _keeps_indexes(key: str, previous: Any, current: Any) -> None:
    before = TABLES[key].indexes if key in TABLES else []
    C.apply_setup_change(key, previous, current)
    if current is not None:
        TABLES[key].indexes = before or TABLES[key].indexes


TestNoIndexes = mutant(
    "NoIndexes",
    "test_vector_index[index.vector CosineSimilarity]",
    "test_text_index",
    get_setup_state=staticmethod(_no_indexes),
)
TestKeepsIndexes = mutant(
    "KeepsIndexes", "test_vector_index[index.vector L2Distance]", apply_setup_change=setup(_keeps_indexes)
)

# -- faults -----------------------------------------------------------------------------------------
BUSY: set[str] = set()
SESSIONS: dict[str, Any] = {}


def _backwards(*batches: Any) -> None:
    C.mutate_columns(*reversed(batches))


def _pads(item: Any) -> Any:
    return item[:12].ljust(12, b"\0") if isinstance(item, bytes) else item


def _blames_all(*batches: Any) -> None:
    try:
        C.mutate_columns(*batches)
    except MutationError as error:
        raise MutationError({key: "no" for _, batch in batches for key in batch.upsert_keys}) from error


def _hides_bad(*batches: Any) -> None:
    with contextlib.suppress(MutationError):
        C.mutate_columns(*batches)


def _copies(*batches: Any) -> None:
    for session, batch in batches:
        table = session.table()
        before = dict(table.rows)
        time.sleep(0.02)  # long enough for any other writer
        C.mutate_columns((session, batch))
        table.rows = {**before, **{key: table.rows[key] for key in batch.upsert_keys if key in table.rows}}


def _ignores_loss(*batches: Any) -> None:
    C.mutate_columns(*(item for item in batches if item[0].generation == SERVER.generation))


def _caches(spec: Any, key_fields: Any, value_fields: Any) -> Any:
    found = SESSIONS.setdefault(spec.name, C.prepare(spec, key_fields, value_fields))
    found.closed = False
    return found


def _blocks(key: str, previous: Any, current: Any) -> None:
    if key in BUSY:
        raise RuntimeError("somebody else is at it")
    BUSY.add(key)
    C.apply_setup_change(key, previous, current)
    BUSY.discard(key)


def _cell_by_cell(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
    cells = table.rows.setdefault(key, {})
    for name, item in row.items():
        cells[name] = item


def _tells_all(*batches: Any) -> None:
    try:
        C.mutate_columns(*batches)
    except DriftError as error:
        raise TargetError(f"nothing there for {batches[0][0]!r}") from error


TestBackwards = mutant("Backwards", "test_same_key_twice", mutate_columns=staticmethod(_backwards))
TestPads = mutant("Pads", "test_wrong_dimension", put=converting(_pads))
TestBlamesAll = mutant("BlamesAll", "test_bad_row_alone", mutate_columns=staticmethod(_blames_all))
TestHidesBad = mutant("HidesBad", "test_bad_row_alone", mutate_columns=staticmethod(_hides_bad))
TestCopies = mutant("Copies", "test_concurrent_writes", mutate_columns=staticmethod(_copies))
TestIgnoresLoss = mutant("IgnoresLoss", "test_connection_lost", mutate_columns=staticmethod(_ignores_loss))
TestCaches = mutant("Caches", "test_connection_lost", prepare=staticmethod(_caches))
TestBlocks = mutant("Blocks", "test_death_during_setup", apply_setup_change=setup(_blocks))
TestCellByCell = mutant("CellByCell", "test_death_while_writing", put=putting(_cell_by_cell))
TestTellsAll = mutant("TellsAll", "test_secrets_do_not_show", mutate_columns=staticmethod(_tells_all))
TestCuts = mutant(
    "Cuts",
    "test_values[value Str of 5 MB]",
    put=converting(lambda item: item[:1_000_000] if isinstance(item, str) else item),
)


# -- late writes ------------------------------------------------------------------------------------
def _remembers(session: Any, token: Any) -> None:
    """The number stays with the connection."""
    session.token = token
    TABLES[session.name].numbers[token.flow] = token.number


def _looks_before(*batches: Any) -> None:
    for session, batch in batches:
        session.check_token(session.table())
        token, session.token = session.token, None
        C.mutate_columns((session, batch))
        session.token = token


def _tells_its_own(session: Any, token: Any) -> None:
    try:
        C.fence(session, token)
    except FencedError as error:
        raise FencedError(str(error), token.number) from error


TestLetsLateWritesIn = mutant(
    "LetsLateWritesIn", "test_late_writes", fence=staticmethod(lambda session, token: None)
)
TestTakesLowerNumbers = mutant("TakesLowerNumbers", "test_late_writes", fence=staticmethod(_remembers))
TestLooksBefore = mutant("LooksBefore", "test_late_writes", mutate_columns=staticmethod(_looks_before))
TestTellsItsOwn = mutant("TellsItsOwn", "test_late_writes", fence=staticmethod(_tells_its_own))


class DiskSuite:
    """Tables that other processes see."""

    spec_cls: ClassVar[Any] = DiskTable
    kills: ClassVar[tuple[str, ...]] = ()
    expects: ClassVar[dict[str, str]] = {}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Any:
        return self.spec_cls(path=str(tmp_path / "rows"))

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        if not Path(spec.path).exists():
            return None
        names = [item.name for item in shape.value_fields]
        return {key[0]: dict(zip(names, row, strict=True)) for key, row in load(spec.path).items()}


class TestDisk(DiskSuite, TargetSuite):
    abilities: ClassVar[Mapping[str, Support]] = claim(ALL_TARGET_ABILITIES)
    expects: ClassVar[dict[str, str]] = {"test_killed": "passed"}


class TestInPlace(DiskSuite, TargetSuite):
    abilities: ClassVar[Mapping[str, Support]] = claim(ALL_TARGET_ABILITIES)
    spec_cls: ClassVar[Any] = InPlace
    kills: ClassVar[tuple[str, ...]] = ("test_killed",)


class TestLocked(DiskSuite, TargetSuite):
    abilities: ClassVar[Mapping[str, Support]] = claim(ALL_TARGET_ABILITIES)
    spec_cls: ClassVar[Any] = Locked
    expects: ClassVar[dict[str, str]] = {"test_two_processes": "passed"}


class TestSlow(DiskSuite, TargetSuite):
    abilities: ClassVar[Mapping[str, Support]] = claim(ALL_TARGET_ABILITIES)
    spec_cls: ClassVar[Any] = Slow
    kills: ClassVar[tuple[str, ...]] = ("test_two_processes",)


TestEndsWithTheProcess = mutant("EndsWithTheProcess", "test_killed", "test_two_processes")
