"""Setup or drop of several flows as one plan: describe, confirm, apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from coco.errors import DestructiveSetupError
from coco.printable import printable, printable_lines
from coco.setup.changes import ChangeKind, FlowChange, ResourceChange


class BundleRuntime(Protocol):
    """The part of the environment that a bundle uses: it computes the changes, and applies them."""

    def compute_changes(self) -> list[FlowChange]: ...

    async def compute_changes_async(self) -> list[FlowChange]: ...

    def apply_changes(self, changes: list[FlowChange], report: Callable[[str], None]) -> list[str]: ...

    async def apply_changes_async(
        self, changes: list[FlowChange], report: Callable[[str], None]
    ) -> list[str]: ...


class SetupChangeBundle:
    """The setup or drop of one or more flows. Describing it changes nothing."""

    def __init__(self, runtime: BundleRuntime) -> None:
        self._runtime = runtime
        self._changes: list[FlowChange] | None = None

    def describe(self) -> tuple[str, bool]:
        """Return a description of the changes, and whether there are none."""
        self._changes = self._runtime.compute_changes()
        return self._described()

    async def describe_async(self) -> tuple[str, bool]:
        """Twin of ``describe``."""
        self._changes = await self._runtime.compute_changes_async()
        return self._described()

    def _described(self) -> tuple[str, bool]:
        assert self._changes is not None
        return describe_changes(self._changes), all(item.up_to_date for item in self._changes)

    @property
    def destructive(self) -> bool:
        """Whether applying deletes data in a target. Set by ``describe``."""
        return any(item.destructive for item in self._changes or ())

    @property
    def lossy(self) -> bool:
        """Whether applying loses a part of the data until it is written again. Set by ``describe``."""
        return any(item.lossy for item in self._changes or ())

    @property
    def left(self) -> list[tuple[str, str]]:
        """(flow, name) of each target that this process cannot drop and that stays on record. Set by ``describe``."""
        changes = [change for change in self._changes or () if change.drop]
        return [(change.flow, item.title) for change in changes for item in change.left]

    @property
    def invalid(self) -> list[str]:
        """Names of the targets that cannot be set up. Set by ``describe``. Applying then fails and changes nothing."""
        found = [item for change in self._changes or () for item in change.resources]
        return [item.title for item in found if item.kind is ChangeKind.INVALID]

    def apply(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None:
        """Apply the changes that were described, or the present ones.

        allow_destructive: whether a setup may be destructive or lossy; a drop does not need it. Raises
        ``DestructiveSetupError``, with the plan, if that is missing; ``SetupConflictError`` if another process has changed
        the setup since ``describe``; ``LifecycleError`` if a live updater of this process works on one of the flows.
        """
        if self._changes is None:
            self._changes = self._runtime.compute_changes()
        self._need_consent(allow_destructive)
        _show(self._runtime.apply_changes(self._changes, _reporter(report_to_stdout)), report_to_stdout)
        self._changes = None

    async def apply_async(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None:
        """Twin of ``apply``."""
        if self._changes is None:
            self._changes = await self._runtime.compute_changes_async()
        self._need_consent(allow_destructive)
        warnings = await self._runtime.apply_changes_async(self._changes, _reporter(report_to_stdout))
        _show(warnings, report_to_stdout)
        self._changes = None

    def describe_and_apply(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None:
        """Describe the changes, print them if ``report_to_stdout``, and apply them if there are any."""
        text, current = self.describe()
        if self._announce(text, current, report_to_stdout):
            self.apply(report_to_stdout, allow_destructive)

    async def describe_and_apply_async(
        self, report_to_stdout: bool = False, allow_destructive: bool = False
    ) -> None:
        """Twin of ``describe_and_apply``."""
        text, current = await self.describe_async()
        if self._announce(text, current, report_to_stdout):
            await self.apply_async(report_to_stdout, allow_destructive)

    def _need_consent(self, allow_destructive: bool) -> None:
        """Raise ``DestructiveSetupError`` for a setup that would lose data, unless the caller allows it."""
        if allow_destructive:
            return
        losing = [item for item in self._changes or () if not item.drop and (item.destructive or item.lossy)]
        if losing:
            flows = " and ".join(f"'{item.flow}'" for item in losing)
            raise DestructiveSetupError(
                f"setup of flow {flows} would lose data, so nothing was changed. The plan:\n"
                f"{describe_changes(losing)}\n"
                "If that is meant, call setup(allow_destructive=True), or run `coco setup APP`, which asks"
            )

    def _announce(self, text: str, current: bool, report: bool) -> bool:
        if report:
            print("Setup status:")  # noqa: T201  asked for by report_to_stdout
            print(printable_lines(text))  # noqa: T201
        if not current:
            return True
        if report:
            print("No setup changes to apply.")  # noqa: T201
        return any(item.silent for item in self._changes or ())


def _reporter(report: bool) -> Callable[[str], None]:
    return (lambda text: print(printable_lines(text))) if report else (lambda text: None)  # noqa: T201


def _show(warnings: list[str], report: bool) -> None:
    if report:
        for text in warnings:
            print(f"WARNING: {printable(text)}")  # noqa: T201


def describe_changes(changes: list[FlowChange]) -> str:
    """Return one block of text per flow: a line per resource, with its actions and remarks below."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"Flow {change.flow} [{change.status}]")
        if change.note:
            lines.append(f"  NOTE: {change.note}")
        for item in change.resources:
            lines.append(f"  [ {item.kind.value} ] {item.title}")
            lines += [f"    TODO: {text}" for text in item.actions]
            lines += [f"    NOTE: {text}" for text in _remarks(item)]
        if change.drop and change.status != "NONE":
            lines += _state_lines(change)
    return "\n".join(lines) or "No flows."


def _state_lines(change: FlowChange) -> list[str]:
    """Return the lines about coco's own records in a drop."""
    if change.left:
        return ["  [ TO KEEP ] internal state", "    NOTE: it goes with the last target"]
    if change.keep_results:
        note = "the records of its rows and failures; results of cached functions stay"
    else:
        note = "the records of its rows and failures, and the results of cached functions that no other flow uses"
    return [f"  [ {ChangeKind.DELETE.value} ] internal state", f"    NOTE: {note}"]


def _remarks(item: ResourceChange) -> list[str]:
    marks = []
    if item.destructive:
        marks.append("destructive: data in the target is deleted")
    if item.lossy and item.loses:
        marks.append("lossy: some of its data is lost until it is written again")
    if item.lost_fields:
        names = ", ".join(item.lost_fields)
        marks.append(f"lossy: no longer exported, so these fields are deleted with their values: {names}")
    return [*marks, *item.notes]
