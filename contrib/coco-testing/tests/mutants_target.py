"""Targets that are wrong in one way each, and suites that claim wrongly. ``kills``: checks that must fail."""

from __future__ import annotations

import itertools
import logging
import unicodedata
from typing import Any

from target_mutants import C, converting, mutant, putting, setup

from coco.errors import DefinitionError
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, KnownFailure
from coco_testing.reference.target import (
    TABLES,
    Table,
    TableState,
)

_numbers = itertools.count()


def _truncates(key: str, previous: Any, current: Any) -> None:
    if previous is None:
        TABLES.pop(key, None)
    C.apply_setup_change(key, previous, current)


def _rebuilds(key: str, previous: Any, current: Any) -> None:
    if previous is not None:
        TABLES.pop(key, None)
    C.apply_setup_change(key, previous, current)


def _wipes(key: str, previous: Any, current: Any) -> None:
    C.apply_setup_change(key, previous, current)
    if previous is not None and current is not None and previous != current:
        TABLES[key].rows.clear()


def _trusts(key: str, previous: Any, current: Any) -> None:
    if previous is not None and current is not None:
        gone = [item for item in previous.value_columns if item not in current.value_columns]
        for name, _ in gone:
            if name not in TABLES[key].columns:
                raise RuntimeError(f"no column {name}")
    C.apply_setup_change(key, previous, current)


def _needs_table(key: str, previous: Any, current: Any) -> None:
    if previous is not None and current is not None and key not in TABLES:
        raise RuntimeError("no such table")
    C.apply_setup_change(key, previous, current)


def _keeps(key: str, previous: Any, current: Any) -> None:
    if current is not None:
        C.apply_setup_change(key, previous, current)


def _drops_strictly(key: str, previous: Any, current: Any) -> None:
    if current is None and key not in TABLES:
        raise RuntimeError("no such table")
    C.apply_setup_change(key, previous, current)


def _creates(spec: Any, key_fields: Any, value_fields: Any) -> Any:
    TABLES.setdefault(spec.name, Table([item.name for item in key_fields], []))
    return C.prepare(spec, key_fields, value_fields)


def _shows_secret(spec: Any, key_fields: Any, value_fields: Any) -> Any:
    session = C.prepare(spec, key_fields, value_fields)
    logging.getLogger("memory").info("logging in with %s", session.password)
    return session


def _random_state(spec: Any, key_fields: Any, value_fields: Any, index_options: Any) -> TableState:
    state = C.get_setup_state(spec, key_fields, value_fields, index_options)
    state.value_columns.append([f"n{next(_numbers)}", "Str"])
    return state


def _only_new(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
    table.rows.setdefault(key, row)


def _leaves_out_nulls(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
    table.rows.setdefault(key, {}).update({name: item for name, item in row.items() if item is not None})


def _loses_a_row(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
    if key != ("b",):
        table.rows[key] = row


def _forgets_the_rest(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
    if changed is None:
        table.rows[key] = row
    else:
        table.rows[key] = {name: row[name] if place in changed else None for place, name in enumerate(row)}


def _keyed(function: Any) -> dict[str, Any]:
    """Methods with keys changed on their way in."""

    def put(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
        C.put(table, function(key), row, changed)

    def delete(table: Table, keys: Any) -> None:
        C.delete(table, [function(key) for key in keys])

    return {"put": staticmethod(put), "delete": staticmethod(delete)}


def _strict_delete(table: Table, keys: Any) -> None:
    for key in keys:
        del table.rows[key]


def _first_batch(*batches: Any) -> None:
    C.mutate_columns(*batches[:1])


def _not_empty(*batches: Any) -> None:
    for _, batch in batches:
        if not batch.upsert_keys and not batch.delete_keys:
            raise RuntimeError("nothing to do")
    C.mutate_columns(*batches)


def _limited(*batches: Any) -> None:
    for session, batch in batches:
        del batch.upsert_keys[5_000:], batch.upsert_rows[5_000:]
        C.mutate_columns((session, batch))


def _count_anyway(session: Any) -> int:
    return len(TABLES[session.name].rows) if session.name in TABLES else 0


def _twice(session: Any) -> Any:
    yield from C.list_keys(session)
    yield from C.list_keys(session)


def _with_missing(session: Any, keys: Any) -> Any:
    return {**dict.fromkeys(keys, (None, None)), **C.read_rows(session, keys)}


def _marks_the_session(session: Any, flow: str, epoch: str) -> None:
    session.epoch = epoch


def _mark_of_the_session(session: Any, flow: str) -> Any:
    return getattr(session, "epoch", None)


def _marks_for_all(session: Any, flow: str, epoch: str) -> None:
    C.write_epoch(session, "", epoch)


def _mark_for_all(session: Any, flow: str) -> Any:
    return C.read_epoch(session, "")


def _marks_once(session: Any, flow: str, epoch: str) -> None:
    session.table().epochs.setdefault(flow, epoch)


_ELSEWHERE: dict[tuple[str, str], str] = {}


def _marks_elsewhere(session: Any, flow: str, epoch: str) -> None:
    _ELSEWHERE[(session.name, flow)] = epoch


def _mark_elsewhere(session: Any, flow: str) -> Any:
    return _ELSEWHERE.get((session.name, flow))


def _loses_marks(key: str, previous: Any, current: Any) -> None:
    C.apply_setup_change(key, previous, current)
    if key in TABLES:
        TABLES[key].epochs.clear()


def _bad_order(table: Table, key: Any, row: dict[str, Any], changed: Any) -> None:
    C.put(table, key, {name: item for name, item in row.items() if name != "order"}, changed)


def _text_of_number(item: Any) -> Any:
    return int(float(item)) if type(item) is int else item


TestReadsNothing = mutant(
    "ReadsNothing", "test_read_back_is_independent", suite={"read_back": lambda self, spec, shape: {}}
)
TestTruncates = mutant("Truncates", "test_create", "test_adoption", apply_setup_change=setup(_truncates))
TestRebuilds = mutant("Rebuilds", "test_unchanged_state_changes_nothing", apply_setup_change=setup(_rebuilds))
TestRandomState = mutant(
    "RandomState", "test_key_and_state_are_plain_and_stable", get_setup_state=staticmethod(_random_state)
)
TestNoWords = mutant("NoWords", "test_described", describe=staticmethod(lambda key: " "))
TestWipes = mutant("Wipes", "test_field_added", "test_field_removed", apply_setup_change=setup(_wipes))
TestTrusts = mutant("Trusts", "test_field_removed", apply_setup_change=setup(_trusts))
TestNeedsTable = mutant("NeedsTable", "test_setup_after_a_crash", apply_setup_change=setup(_needs_table))
TestKeeps = mutant("Keeps", "test_other_key", "test_drop", apply_setup_change=setup(_keeps))
TestDropsStrictly = mutant("DropsStrictly", "test_drop", apply_setup_change=setup(_drops_strictly))
TestCreates = mutant("Creates", "test_resource_of_the_user", prepare=staticmethod(_creates))
TestAdopts = mutant("Adopts", "test_foreign_resource", check_existing=staticmethod(lambda key, desired: ""))
TestLosesARow = mutant("LosesARow", "test_upsert", put=putting(_loses_a_row))
TestOnlyNew = mutant("OnlyNew", "test_overwrite", put=putting(_only_new))
TestLeavesOutNulls = mutant("LeavesOutNulls", "test_overwrite", put=putting(_leaves_out_nulls))
TestNoDelete = mutant(
    "NoDelete", "test_delete", "test_delete_what_is_not_there", delete=staticmethod(lambda table, keys: None)
)
TestStrictDelete = mutant(
    "StrictDelete", "test_delete_what_is_not_there", delete=staticmethod(_strict_delete)
)
TestFirstBatch = mutant("FirstBatch", "test_mixed_batch", mutate_columns=staticmethod(_first_batch))
TestNotEmpty = mutant("NotEmpty", "test_nothing_to_write", mutate_columns=staticmethod(_not_empty))
TestLimited = mutant("Limited", "test_large_batch", mutate_columns=staticmethod(_limited))
TestBadOrder = mutant("BadOrder", "test_names_that_are_keywords", put=putting(_bad_order))
TestStrips = mutant(
    "Strips", "test_values[value Str]", put=converting(lambda x: x.strip() if isinstance(x, str) else x)
)
TestFloats = mutant("Floats", "test_values[value Int64]", put=converting(_text_of_number))
TestHides = mutant(
    "Hides",
    "test_values[value Str]",
    stored_form=staticmethod(lambda spec, field: lambda value: "same" if isinstance(value, str) else value),
)
TestNormalises = mutant(
    "Normalises",
    "test_keys[key Str]",
    **_keyed(lambda key: tuple(unicodedata.normalize("NFC", x) if isinstance(x, str) else x for x in key)),
)
TestJoins = mutant(
    "Joins",
    "test_keys_of_several_parts",
    **_keyed(lambda key: ("".join(key[:2]), "", *key[2:]) if len(key) == 3 else key),
)
TestCountsNothing = mutant("CountsNothing", "test_count_rows", count_rows=staticmethod(_count_anyway))
TestTwice = mutant("Twice", "test_list_keys", list_keys=staticmethod(_twice))
TestWithMissing = mutant("WithMissing", "test_read_rows", read_rows=staticmethod(_with_missing))
TestForgetsTheRun = mutant(
    "ForgetsTheRun",
    "test_epochs",
    write_epoch=staticmethod(_marks_the_session),
    read_epoch=staticmethod(_mark_of_the_session),
)
TestOneMarkForAll = mutant(
    "OneMarkForAll",
    "test_epochs",
    write_epoch=staticmethod(_marks_for_all),
    read_epoch=staticmethod(_mark_for_all),
)
TestKeepsTheFirstMark = mutant("KeepsTheFirstMark", "test_epochs", write_epoch=staticmethod(_marks_once))
TestMarkOutlives = mutant(
    "MarkOutlives",
    "test_epochs_and_setup",
    write_epoch=staticmethod(_marks_elsewhere),
    read_epoch=staticmethod(_mark_elsewhere),
)
TestNewMarks = mutant("NewMarks", "test_epochs_and_setup", apply_setup_change=setup(_loses_marks))
TestForgetsTheRest = mutant("ForgetsTheRest", "test_partial_update", put=putting(_forgets_the_rest))
TestShowsSecret = mutant("ShowsSecret", "test_secrets_do_not_show", prepare=staticmethod(_shows_secret))
TestNamesNoSecret = mutant(
    "NamesNoSecret", "test_secrets_do_not_show", suite={"secrets": lambda self, spec: ()}
)

# -- claims -----------------------------------------------------------------------------------------
TestSilentYes = mutant(
    "SilentYes",
    "test_values[value Json]",
    "test_count_rows",
    abilities={"value Json": UNSUPPORTED("no such column"), "verify.count_rows": NOT_IMPLEMENTED},
)
TestSpoils = mutant(
    "Spoils",
    "test_values[value Int64]",
    put=converting(_text_of_number),
    abilities={"value Int64": NOT_IMPLEMENTED},
)
TestUndeclared = mutant(
    "Undeclared",
    "test_nothing_is_left_out",
    suite={
        "abilities": {},
        "expects": dict.fromkeys(
            ("test_partial_update", "test_adoption", "test_lost_resource"), "not declared"
        ),
    },
)


def _refuse(spec: Any, key_fields: Any, value_fields: Any, index_options: Any, attachments: Any) -> None:
    for item in (*key_fields, *value_fields):
        if item.value_type.type.kind == "Json":
            raise DefinitionError("no column holds JSON")


TestRefuses = mutant(
    "Refuses",
    abilities={"value Json": UNSUPPORTED("no column holds JSON"), "verify.count_rows": NOT_IMPLEMENTED},
    validate=staticmethod(_refuse),
    count_rows=None,
    suite={"expects": {"test_values[value Json]": "refused", "test_count_rows": "refused"}},
)
TestRefusesWhatItClaims = mutant(
    "RefusesWhatItClaims", "test_values[value Json]", validate=staticmethod(_refuse)
)
TestKnown = mutant(
    "Known",
    "test_upsert",
    "test_delete",
    delete=staticmethod(_strict_delete),
    suite={
        "known_failures": {
            "test_delete_what_is_not_there": KnownFailure(KeyError, "issue 1"),
            "test_upsert": KnownFailure(KeyError, "issue 2, which is solved"),
            "test_delete": KnownFailure(KeyError, "issue 3"),
        },
        "expects": {"test_delete_what_is_not_there": "known failure"},
    },
)
TestKnownOtherwise = mutant(
    "KnownOtherwise",
    "test_delete_what_is_not_there",
    delete=staticmethod(_strict_delete),
    suite={"known_failures": {"test_delete_what_is_not_there": KnownFailure(TypeError, "another one")}},
)
