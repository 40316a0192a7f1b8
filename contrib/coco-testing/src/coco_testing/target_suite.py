"""What every target must do, whatever it stores rows in (spec 20 sections 20 and 29).

Subclass ``TargetSuite`` as ``TestSomething``, with a fixture ``spec`` and the method ``read_back``; the audit
names whatever else is touched. Each check's docstring says what it catches and where to look.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest

from coco.auth_registry import TransientAuthEntryReference
from coco.engine_object import dump_engine_object
from coco.op import TargetStateCompatibility
from coco_testing.abilities import RefusedError
from coco_testing.rows import NaturalRows, Shape, assert_same_rows
from coco_testing.suite import Suite, check
from coco_testing.target_driver import TargetDriver
from coco_testing.values import KEY_TYPES, SAMPLES, key_samples, type_named

TEXT, NUMBER = type_named(str), type_named(int)
PLAIN = Shape.of({"id": TEXT}, {"text": TEXT, "size": NUMBER})
WIDER = Shape.of({"id": TEXT}, {"text": TEXT, "size": NUMBER, "extra": TEXT})
OTHER_KEY = Shape.of({"id": NUMBER}, {"text": TEXT, "size": NUMBER})
COMPOSITE = Shape.of({"a": TEXT, "b": TEXT, "n": NUMBER}, {"text": TEXT})
RESERVED = Shape.of({"select": TEXT}, {"order": TEXT, "from": NUMBER, "Group": TEXT})
MANY = 10_000

METHODS = (
    "setup.add_field",
    "setup.remove_field",
    "setup.check_existing",
    "verify.count_rows",
    "verify.list_keys",
    "verify.read_rows",
    "partial_update",
)
TARGET_ABILITIES: tuple[str, ...] = (
    *METHODS,
    *(f"value {name}" for name in SAMPLES),
    *(f"key {name}" for name in KEY_TYPES),
    "key composite",
)


def row(text: str | None, size: int | None = 1) -> dict[str, Any]:
    """A row of the plain shape."""
    return {"text": text, "size": size}


class TargetSuite(Suite, kit=True):
    """Subclass it. Must give: the fixture ``spec`` and the method ``read_back``. May give: ``secrets``."""

    all_abilities: ClassVar[tuple[str, ...]] = TARGET_ABILITIES
    open_names: ClassVar[frozenset[str]] = frozenset({"spec", "read_back", "secrets"})

    @pytest.fixture
    def spec(self) -> Any:
        """Must give: a spec that names a place where nothing is yet, another one for each test."""
        raise NotImplementedError("give the fixture `spec`")

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        """Must give: all rows there, by another road than the connector's; None if there is no such resource.

        Keys and values in natural Python form: a scalar, or a tuple for a key of several parts; structs as
        dicts, LTables as lists of dicts, KTables as dicts.
        """
        raise NotImplementedError("give the method `read_back`")

    def secrets(self, spec: Any) -> Iterable[str]:
        """May give: passwords and tokens behind the spec, which must not show anywhere."""
        return ()

    @pytest.fixture(autouse=True)
    def _drivers(self, _session: None) -> Iterator[None]:
        self._made: list[TargetDriver] = []
        yield
        for driver in self._made:
            driver.close()

    def driver(self, spec: Any, shape: Shape = PLAIN) -> TargetDriver:
        """The connector at a shape, closed at the end of the test."""
        made = TargetDriver(spec, shape, self.call)
        self._made.append(made)
        return made

    def created(self, spec: Any, shape: Shape = PLAIN) -> TargetDriver:
        """As ``driver``, set up."""
        made = self.driver(spec, shape)
        made.create()
        return made

    def assert_holds(self, driver: TargetDriver, expected: NaturalRows) -> None:
        """The resource is there and has these rows, no more and no less."""
        found = self.read_back(driver.spec, driver.shape)
        assert found is not None, "the resource is not there (read_back gave None)"
        rows, wanted = driver.shape.encode(found), driver.stored(expected)
        assert_same_rows(rows, wanted, driver.shape.value_fields, driver.method("values_equal"))

    def assert_absent(self, driver: TargetDriver) -> None:
        """There is no such resource."""
        found = self.read_back(driver.spec, driver.shape)
        assert found is None, f"the resource is there, with {len(found or ())} rows"

    # -- the fixtures themselves ------------------------------------------------------------------
    @check()
    def test_read_back_is_independent(self, spec: Any) -> None:
        """``read_back`` tells rows and values apart, and an empty resource from none.

        If it fails: the fixture is not fresh for each test, or ``read_back`` gives what it likes.
        """
        driver = self.driver(spec)
        self.assert_absent(driver)
        driver.create()
        self.assert_holds(driver, {})
        driver.write({"a": row("one"), "b": row(None, None)})
        for wrong in ({}, {"a": row("one")}, {"a": row("two"), "b": row(None, None)}):
            with pytest.raises(AssertionError):
                self.assert_holds(driver, wrong)
        self.assert_holds(driver, {"a": row("one"), "b": row(None, None)})

    # -- setup ------------------------------------------------------------------------------------
    @check()
    def test_create(self, spec: Any) -> None:
        """Creating makes an empty resource; creating again, as after a crash, takes nothing away.

        If it fails: use IF NOT EXISTS or its like; never drop or truncate on creation.
        """
        driver = self.created(spec)
        self.assert_holds(driver, {})
        driver.write({"a": row("one")})
        driver.create()
        self.assert_holds(driver, {"a": row("one")})

    @check()
    def test_unchanged_state_changes_nothing(self, spec: Any) -> None:
        """``previous == current`` leaves rows alone."""
        driver = self.created(spec)
        driver.write({"a": row("one")})
        driver.apply(driver.state, driver.state)
        self.assert_holds(driver, {"a": row("one")})

    @check()
    def test_key_and_state_are_plain_and_stable(self, spec: Any) -> None:
        """Key and setup state are JSON-able, come back equal from the state store, and are equal each time.

        If it fails: a set, a timestamp, a random name or a type that ``persistent_key_type`` /
        ``setup_state_cls`` does not rebuild is in them.
        """
        driver = self.driver(spec)
        again = self.driver(spec)
        for first, second in (
            (driver.persistent_key(), again.persistent_key()),
            (driver.setup_state(), again.setup_state()),
        ):
            assert dump_engine_object(first) == dump_engine_object(second)
        for stored, fresh in ((driver.key, driver.persistent_key()), (driver.state, driver.setup_state())):
            assert dump_engine_object(stored) == dump_engine_object(fresh)
        assert driver.compatibility(again) is TargetStateCompatibility.COMPATIBLE

    @check()
    def test_described(self, spec: Any) -> None:
        """``describe`` gives one line for a key alone, without the spec and without connecting."""
        describe = self.driver(spec).method("describe")
        if describe is not None:
            shown = describe(self.driver(spec).key)
            assert isinstance(shown, str) and shown.strip() and "\n" not in shown

    @check("setup.add_field")
    def test_field_added(self, spec: Any) -> None:
        """A new value field is added in place: rows stay, and the next write fills it. Twice is fine.

        If it fails: ``check_state_compatibility`` or ``apply_setup_change`` treats an addition as another
        resource, or the second call (after a crash) stumbles over the field being there.
        """
        before = self.created(spec)
        before.write({"a": row("one")})
        before.close()
        driver = self.driver(spec, WIDER)
        self._in_place(driver, before)
        self.assert_holds(driver, {"a": row("one")})
        driver.apply(before.state, driver.state)
        driver.write({"b": {**row("two"), "extra": "x"}})
        self.assert_holds(driver, {"a": row("one"), "b": {**row("two"), "extra": "x"}})

    @check("setup.remove_field")
    def test_field_removed(self, spec: Any) -> None:
        """A value field that is gone is removed in place or left behind unseen: the other fields stay."""
        before = self.created(spec, WIDER)
        before.write({"a": {**row("one"), "extra": "x"}})
        before.close()
        driver = self.driver(spec, PLAIN)
        self._in_place(driver, before)
        self.assert_holds(driver, {"a": row("one")})
        driver.apply(before.state, driver.state)
        driver.write({"b": row("two")})
        self.assert_holds(driver, {"a": row("one"), "b": row("two")})

    def _in_place(self, driver: TargetDriver, before: TargetDriver) -> None:
        if driver.compatibility(before) is TargetStateCompatibility.NOT_COMPATIBLE:
            raise RefusedError("the connector says NOT_COMPATIBLE")
        driver.change_from(before)

    @check()
    def test_other_key(self, spec: Any) -> None:
        """Another key type means another resource: dropped and made anew, and writable as such."""
        before = self.created(spec)
        before.write({"a": row("one")})
        before.close()
        driver = self.driver(spec, OTHER_KEY)
        assert driver.change_from(before) is TargetStateCompatibility.NOT_COMPATIBLE
        self.assert_holds(driver, {})
        driver.write({7: row("seven")})
        self.assert_holds(driver, {7: row("seven")})

    @check()
    def test_setup_after_a_crash(self, spec: Any) -> None:
        """From any possible former state: a change is applied to a resource that is absent, or changed already.

        If it fails: ``apply_setup_change`` trusts ``previous``. After a crash it is one of several that may be.
        """
        old, driver = self.driver(spec), self.driver(spec, WIDER)
        if driver.compatibility(old) is TargetStateCompatibility.NOT_COMPATIBLE:
            driver.apply(old.state, None)
            driver.create()
        else:
            driver.apply(old.state, driver.state)  # the creation on record never happened
        driver.apply(old.state, driver.state)  # it did happen, the confirmation was lost
        driver.write({"a": {**row("one"), "extra": "x"}})
        self.assert_holds(driver, {"a": {**row("one"), "extra": "x"}})

    @check()
    def test_drop(self, spec: Any) -> None:
        """Dropping removes the resource with its rows, from the stored key alone; again, and of nothing, is fine.

        If it fails: use IF EXISTS or its like.
        """
        driver = self.driver(spec)
        driver.drop()
        driver.create()
        driver.write({"a": row("one")})
        driver.close()
        driver.drop()
        self.assert_absent(driver)
        driver.drop()
        driver.create()
        self.assert_holds(driver, {})

    @check()
    def test_resource_of_the_user(self, spec: Any) -> None:
        """``setup_by_user``: rows go into what is there, without any setup call; where nothing is, it is an error.

        If it fails: ``prepare`` or ``mutate`` creates, alters or drops something. That is setup's business alone.
        """
        driver = self.driver(spec)
        with pytest.raises(Exception) as caught:  # any error will do, silence will not
            driver.write({"a": row("one")})
        assert not isinstance(caught.value, AssertionError)
        self.assert_absent(driver)
        driver.close()
        self.created(spec).close()
        users = self.driver(spec)
        users.write({"a": row("one")})
        users.close()
        self.assert_holds(users, {"a": row("one")})

    @check("setup.check_existing")
    def test_foreign_resource(self, spec: Any) -> None:
        """``check_existing`` is content where nothing is, and says in words what does not fit where something is."""
        driver = self.driver(spec)
        look = driver.method("check_existing")
        if look is None:
            raise RefusedError("there is no check_existing")
        assert not self.call(look, driver.key, driver.state)
        self.created(spec, OTHER_KEY).close()
        problem = self.call(look, driver.key, driver.state)
        assert isinstance(problem, str) and problem.strip()

    # -- rows -------------------------------------------------------------------------------------
    @check()
    def test_upsert(self, spec: Any) -> None:
        """New rows are there when ``mutate`` returns, also for another connection and a later run."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two", None)})
        self.assert_holds(driver, {"a": row("one"), "b": row("two", None)})
        driver.close()
        self.assert_holds(driver, {"a": row("one"), "b": row("two", None)})

    @check()
    def test_overwrite(self, spec: Any) -> None:
        """A known key gets the new row as a whole, nulls included; writing the same again changes nothing.

        If it fails: an upsert that inserts a second row, keeps the first, or leaves out null fields.
        """
        driver = self.created(spec)
        driver.write({"a": row("one", 1), "b": row("two")})
        driver.write({"a": row(None, 2)})
        self.assert_holds(driver, {"a": row(None, 2), "b": row("two")})
        driver.write({"a": row(None, 2)})
        self.assert_holds(driver, {"a": row(None, 2), "b": row("two")})

    @check()
    def test_delete(self, spec: Any) -> None:
        """Deleted rows are gone, their neighbours stay."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two"), "c": row("three")})
        driver.write(deletes=["a", "c"])
        self.assert_holds(driver, {"b": row("two")})

    @check()
    def test_delete_what_is_not_there(self, spec: Any) -> None:
        """Deleting a missing row is no error: after a crash it is what happens."""
        driver = self.created(spec)
        driver.write({"b": row("two")})
        driver.write(deletes=["a"])
        driver.write(deletes=["b", "a"])
        driver.write(deletes=["b"])
        self.assert_holds(driver, {})

    @check()
    def test_mixed_batch(self, spec: Any) -> None:
        """Insertions, updates and deletions in one batch, and several batches in one call, in order."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two"), "c": row("three")})
        driver.write({"a": row("changed"), "d": row("four")}, ["b", "x"])
        expected = {"a": row("changed"), "c": row("three"), "d": row("four")}
        self.assert_holds(driver, expected)
        driver.write_batches([({"e": row("five")}, ["a"]), ({"a": row("back")}, ["c"])])
        self.assert_holds(driver, {"a": row("back"), "d": row("four"), "e": row("five")})

    @check()
    def test_nothing_to_write(self, spec: Any) -> None:
        """An empty batch, and no batch at all, are fine and change nothing."""
        driver = self.created(spec)
        driver.write({"a": row("one")})
        driver.write({})
        driver.write_batches([])
        driver.write_batches([({}, []), ({"b": row("two")}, [])])
        self.assert_holds(driver, {"a": row("one"), "b": row("two")})

    @check()
    def test_large_batch(self, spec: Any) -> None:
        """10 000 rows in one call: inserted, changed, deleted.

        If it fails: limits on parameters or bytes of a statement; see ``coco.kit.batching``.
        """
        driver = self.created(spec)
        rows = {f"key {number:05}": row(f"text {number} " * 5, number) for number in range(MANY)}
        driver.write(rows)
        self.assert_holds(driver, rows)
        keys = list(rows)
        changed = {key: row("changed", None) for key in keys[::2]}
        driver.write(changed, keys[1::2])
        self.assert_holds(driver, changed)

    @check()
    def test_names_that_are_keywords(self, spec: Any) -> None:
        """Fields may be called ``select``, ``order``, ``from`` or ``Group``. If it fails: quote names."""
        driver = self.created(spec, RESERVED)
        driver.write({"a": {"order": "1", "from": 2, "Group": "g"}, "b": {"order": None}})
        driver.write({"b": {"order": "2"}}, ["a"])
        self.assert_holds(driver, {"b": {"order": "2"}})

    # -- types ------------------------------------------------------------------------------------
    @check("value {name}")
    @pytest.mark.parametrize("name", [pytest.param(name, id=f"value {name}") for name in SAMPLES])
    def test_values(self, spec: Any, name: str) -> None:
        """Values of a type come back as they were, or in the form ``stored_form`` says, or ``values_equal`` to it.

        If it fails: the column type is too narrow, or text is spliced into a statement.
        """
        samples = SAMPLES[name]
        shape = Shape.of({"id": NUMBER}, {"value": samples.type})
        rows = {
            number: {"value": item} for number, item in enumerate([*samples.ordinary, *samples.limits, None])
        }
        driver = self.created(spec, shape)
        apart = {
            repr(item) for item in driver.stored({n: rows[n] for n in range(len(samples.ordinary))}).values()
        }
        assert len(apart) == len(samples.ordinary), "stored_form makes ordinary values the same"
        self._assert_apart(driver, [rows[n] for n in range(len(samples.ordinary))])
        driver.write(rows)
        self.assert_holds(driver, rows)
        driver.write({number: {"value": None} for number in rows})
        self.assert_holds(driver, {number: {"value": None} for number in rows})

    def _assert_apart(self, driver: TargetDriver, rows: list[dict[str, Any]]) -> None:
        equal = driver.method("values_equal")
        values = [row[0] for row in driver.stored(dict(enumerate(rows))).values()]
        for left in range(len(values)):
            for right in range(len(values)):
                assert (
                    left == right
                    or equal is None
                    or not equal(driver.shape.value_fields[0], values[left], values[right])
                ), "values_equal makes ordinary values the same"

    @check("key {name}")
    @pytest.mark.parametrize("name", [pytest.param(name, id=f"key {name}") for name in KEY_TYPES])
    def test_keys(self, spec: Any, name: str) -> None:
        """Keys of a type are told apart, found again for an update, and for a deletion."""
        shape = Shape.of({"id": SAMPLES[name].type}, {"text": TEXT})
        keys = key_samples(name)
        driver = self.created(spec, shape)
        driver.write({key: {"text": str(number)} for number, key in enumerate(keys)})
        self.assert_holds(driver, {key: {"text": str(number)} for number, key in enumerate(keys)})
        driver.write({key: {"text": "new"} for key in keys})
        self.assert_holds(driver, {key: {"text": "new"} for key in keys})
        driver.write(deletes=keys[1:])
        self.assert_holds(driver, {keys[0]: {"text": "new"}})

    @check("key composite")
    def test_keys_of_several_parts(self, spec: Any) -> None:
        """Rows that differ in one part only, or whose parts joined look alike, are different rows."""
        keys = [
            ("a", "bc", 1),
            ("ab", "c", 1),
            ("a", "bc", 2),
            ("a", "b", 1),
            ("a,b", "c", 1),
            ("a", "b,c", 1),
        ]
        driver = self.created(spec, COMPOSITE)
        rows = {key: {"text": repr(key)} for key in keys}
        driver.write(rows)
        self.assert_holds(driver, rows)
        driver.write({keys[0]: {"text": "new"}}, [keys[1], ("ab", "c", 2)])
        del rows[keys[1]]
        self.assert_holds(driver, {**rows, keys[0]: {"text": "new"}})

    # -- looking behind ---------------------------------------------------------------------------
    @check("verify.count_rows")
    def test_count_rows(self, spec: Any) -> None:
        """The number of rows, as it is now; without the resource an error, never 0.

        If it fails on the error: a dropped table would be taken for an empty one, and lost rows for no drift.
        """
        driver = self.created(spec)
        count = self._data_method(driver, "count_rows")
        assert self.call(count, driver.prepared()) == 0
        driver.write({"a": row("one"), "b": row("two")})
        assert self.call(count, driver.prepared()) == 2
        driver.write(deletes=["a"])
        assert self.call(count, driver.prepared()) == 1
        driver.close()
        driver.drop()
        with pytest.raises(Exception) as caught:
            self.call(count, driver.prepared())
        assert not isinstance(caught.value, AssertionError)

    @check("verify.list_keys")
    def test_list_keys(self, spec: Any) -> None:
        """Every key once, as tuples of engine values, in lists."""
        driver = self.created(spec, COMPOSITE)
        list_keys = self._data_method(driver, "list_keys")
        assert driver.list_keys(list_keys) == []
        rows = {("a", str(number), number): {"text": "x"} for number in range(2_500)}
        driver.write(rows)
        found = driver.list_keys(list_keys)
        assert len(found) == len(set(found)), "keys come twice"
        assert set(found) == set(driver.stored(rows))

    @check("verify.read_rows")
    def test_read_rows(self, spec: Any) -> None:
        """Rows by key as engine values; a missing key has no entry."""
        driver = self.created(spec)
        read = self._data_method(driver, "read_rows")
        rows = {"a": row("one"), "b": row(None, None), "c": row("three")}
        driver.write(rows)
        wanted = driver.stored({key: rows[key] for key in "ab"})
        found = self.call(read, driver.prepared(), [*wanted, driver.shape.encode_key("missing")])
        assert_same_rows(dict(found), wanted, driver.shape.value_fields)
        assert not self.call(read, driver.prepared(), [])

    @check("partial_update")
    def test_partial_update(self, spec: Any) -> None:
        """Told which fields differ, the target ends with the whole new row, in mixed batches too."""
        driver = self.created(spec)
        if not getattr(driver.record.connector_cls, "partial_update", False):
            raise RefusedError("partial_update is not set")
        if driver.method("mutate_columns") is None:
            raise AssertionError("partial_update is set, but only mutate_columns is told what changed")
        driver.write({"a": row("one", 1), "b": row("two", 2)}, changed=[None, None])
        driver.write(
            {"a": row("one", 5), "b": row(None, 2), "c": row("three", 3)}, changed=[(1,), (0,), None]
        )
        self.assert_holds(driver, {"a": row("one", 5), "b": row(None, 2), "c": row("three", 3)})

    def _data_method(self, driver: TargetDriver, name: str) -> Any:
        found = driver.method(name)
        if found is None:
            raise RefusedError(f"there is no {name}")
        return found

    # -- secrets ----------------------------------------------------------------------------------
    @check()
    def test_secrets_do_not_show(self, spec: Any, caplog: pytest.LogCaptureFixture) -> None:
        """Passwords are not in spec, key, state, description or log. If it fails: keep an auth reference instead.

        A spec that refers to an auth entry must name what is secret about it in ``secrets``.
        """
        with caplog.at_level(logging.DEBUG):
            driver = self.created(spec)
            driver.write({"a": row("one")})
            driver.write(deletes=["a"])
            driver.close()
            driver.drop()
        shown: dict[str, str] = {
            "the spec": json.dumps(dump_engine_object(driver.spec)) + repr(driver.spec),
            "the persistent key": json.dumps(dump_engine_object(driver.key)) + repr(driver.key),
            "the setup state": json.dumps(dump_engine_object(driver.state)) + repr(driver.state),
            "the log": caplog.text,
        }
        describe = driver.method("describe")
        if describe is not None:
            shown["describe"] = str(describe(driver.key))
        change = driver.method("describe_change")
        if change is not None:
            wider = self.driver(spec, WIDER)
            shown["describe_change"] = "\n".join(change(driver.key, driver.state, wider.state))
        secrets = list(self.secrets(spec))
        assert secrets or not _refers(driver.spec), "the spec refers to an auth entry: give `secrets`"
        assert all(len(secret) >= 4 for secret in secrets), "a secret this short is found everywhere"
        for where, text in shown.items():
            for secret in secrets:
                assert secret not in text, f"a secret shows in {where}"


def _refers(spec: Any) -> bool:
    fields = [getattr(spec, item.name) for item in dataclasses.fields(spec)]
    return any(isinstance(item, TransientAuthEntryReference) for item in fields)
