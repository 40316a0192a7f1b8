"""Stored keys and states of older releases, and the form in which a target stores values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from coco.kit.packed import pack
from coco.kit.plain import from_plain, to_plain
from coco_testing.abilities import RefusedError
from coco_testing.rows import Shape
from coco_testing.suite import check
from coco_testing.target.base import NUMBER, PLAIN, TargetBase
from coco_testing.values import SAMPLES

MORE_SPELLING_ABILITIES = ("setup.upgrade",)


class SpellingChecks(TargetBase, kit=True):
    """Spellings."""

    open_names: ClassVar[frozenset[str]] = frozenset({"old_spellings"})

    def old_spellings(self, spec: Any) -> Iterable[tuple[Any, Any]]:
        """May give, for ``setup.upgrade``: pairs (key, setup state) as plain data, in the form of older releases.

        For a resource of ``spec`` with the plain shape: key ``id`` (Str), values ``text`` (Str), ``size`` (Int64).
        """
        return ()

    @check("setup.upgrade")
    def test_old_spellings(self, spec: Any) -> None:
        """Keys and states of older releases, once upgraded, equal those that this release writes.

        If it fails: ``upgrade_key`` or ``upgrade_state`` does not upgrade every part. The next release would
        drop and recreate the tables of users.
        """
        driver = self.driver(spec)
        spellings = list(self.old_spellings(driver.spec))
        if not spellings:
            raise RefusedError("the suite does not define old_spellings")
        today = (to_plain(driver.key), to_plain(driver.state))
        told = [tuple(json.loads(json.dumps(part)) for part in item) for item in spellings]
        assert any(item != today for item in told), (
            "old_spellings has only the form of this release: add an older one"
        )
        for key, state in told:
            assert self._read(driver, "key", key) == today[0], f"upgrade_key gives another key from {key!r}"
            assert self._read(driver, "state", state) == today[1], (
                f"upgrade_state gives another state from {state!r}"
            )

    def _read(self, driver: Any, what: str, data: Any) -> Any:
        upgrade = driver.method(f"upgrade_{what}")
        record = driver.record
        type_ = (
            record.persistent_key_type if what == "key" else record.setup_state_cls or record.spec_cls
        ) or Any
        return to_plain(from_plain(type_, data if upgrade is None else self.call(upgrade, data)))

    @check()
    def test_todays_spelling(self, spec: Any) -> None:
        """``upgrade_key`` and ``upgrade_state`` do not change data of this release, and do not modify their argument."""
        driver = self.driver(spec, PLAIN)
        for what, value in (("key", driver.key), ("state", driver.state)):
            data = json.loads(json.dumps(to_plain(value)))
            before = json.dumps(data)
            assert self._read(driver, what, data) == to_plain(value), (
                f"upgrade_{what} changes data of this release"
            )
            assert json.dumps(data) == before, f"upgrade_{what} modifies its argument"

    @check()
    def test_stored_form_and_values_equal(self, spec: Any) -> None:
        """``stored_form`` applied twice gives the same as once. Each stored value is ``values_equal`` to itself.

        If it fails: a value read from the target never equals the value sent, so each repair writes the row.
        """
        driver = self.driver(spec)
        equal = driver.method("values_equal")
        form = driver.method("stored_form")
        if equal is None and form is None:
            return
        for name, samples in SAMPLES.items():
            shape = Shape.of({"id": NUMBER}, {"value": samples.type})
            values = [*samples.ordinary, *samples.limits]
            rows = shape.encode({number: {"value": item} for number, item in enumerate(values)})
            once = driver.stored_rows(shape, rows)
            twice = driver.stored_rows(shape, once)
            assert pack(list(once.items())) == pack(list(twice.items())), (
                f"stored_form of {name} gives another value when applied twice"
            )
            for (value,) in once.values():
                if equal is not None and value is not None:
                    assert equal(shape.value_fields[0], value, value), (
                        f"{name}: {value!r} is not values_equal to itself"
                    )
