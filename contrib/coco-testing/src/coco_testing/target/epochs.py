"""Epochs: marks of runs by which the engine detects that only the state or only the target was restored."""

from __future__ import annotations

from typing import Any

from coco.op import TargetStateCompatibility
from coco_testing.suite import check
from coco_testing.target.base import WIDER, TargetBase, row

MORE_EPOCH_ABILITIES = ("verify.epochs",)
FIRST, SECOND = "2026-01-02T03:04:05.678901Z-0011aabb", "2026-01-02T03:04:06.000000Z-ffeeddcc"
FLOW, OTHER = "Conformance", "Conformance.Other"


class EpochChecks(TargetBase, kit=True):
    """A target keeps one epoch for each flow beside the rows."""

    @check("verify.epochs")
    def test_epochs(self, spec: Any) -> None:
        """``read_epoch`` returns the last epoch that ``write_epoch`` stored for the flow, on any connection. Rows stay.

        If it fails: coco does not detect a restored state or target, or each update warns of one.
        """
        driver = self.created(spec)
        read, write = self.data_method(driver, "read_epoch"), self.data_method(driver, "write_epoch")
        rows = {"a": row("one"), "b": row("two")}
        assert self.call(read, driver.prepared(), FLOW) is None
        self.call(write, driver.prepared(), FLOW, FIRST)
        assert self.call(read, driver.prepared(), FLOW) == FIRST
        driver.write(rows)
        driver.close()
        assert self.call(read, driver.prepared(), FLOW) == FIRST, "a new connection does not find the epoch"
        assert self.call(read, driver.prepared(), OTHER) is None, (
            "read_epoch returned the epoch of another flow"
        )
        self.call(write, driver.prepared(), OTHER, FIRST)
        self.call(write, driver.prepared(), FLOW, SECOND)
        self.call(write, driver.prepared(), FLOW, SECOND)  # as after a lost answer
        driver.close()
        found = [self.call(read, driver.prepared(), flow) for flow in (FLOW, OTHER)]
        assert found == [SECOND, FIRST]
        self.assert_holds(driver, rows)

    @check("verify.epochs")
    def test_epochs_and_setup(self, spec: Any) -> None:
        """An epoch stays when the resource is altered, and is deleted when the resource is dropped."""
        driver = self.created(spec)
        read, write = self.data_method(driver, "read_epoch"), self.data_method(driver, "write_epoch")
        self.call(write, driver.prepared(), FLOW, FIRST)
        driver.close()
        driver.create()  # creation is repeated after a crash
        wider = self.driver(spec, WIDER)
        if wider.change_from(driver) is not TargetStateCompatibility.NOT_COMPATIBLE:
            assert self.call(read, wider.prepared(), FLOW) == FIRST
        wider.close()
        wider.drop()
        wider.create()
        assert self.call(read, wider.prepared(), FLOW) is None, (
            "the epoch is still stored after the resource was dropped"
        )
