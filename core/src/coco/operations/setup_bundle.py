"""Setup or drop of several flows as one plan: describe, confirm, apply."""

from __future__ import annotations

from collections.abc import Callable

from coco.errors import DestructiveSetupError
from coco.operations.setup_work import SetupWork
from coco.printable import printable, printable_lines
from coco.setup.changes import ChangeKind, FlowChange
from coco.setup.describe import describe_changes


class SetupChangeBundle:
    """The setup or drop of one or more flows. Describing it changes nothing."""

    def __init__(self, work: SetupWork) -> None:
        self._work = work
        self._environment = work.environment
        self._changes: list[FlowChange] | None = None

    def describe(self) -> tuple[str, bool]:
        """Return a description of the changes, and whether there are none."""
        return self._environment.run(self._describe(), "describe_async()")

    async def describe_async(self) -> tuple[str, bool]:
        """Async twin of ``describe``."""
        return await self._environment.run_async(self._describe())

    async def _describe(self) -> tuple[str, bool]:
        self._changes = await self._work.changes()
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
        """Apply the changes that were described, or the current ones.

        allow_destructive: whether a setup may be destructive or lossy; a drop does not need it. Raises
        ``DestructiveSetupError``, with the plan, if that is missing; ``SetupConflictError`` if another process has changed
        the setup since ``describe``; ``LifecycleError`` if a live updater of this process works on one of the flows.
        """
        self._environment.run(self._apply(report_to_stdout, allow_destructive), "apply_async()")

    async def apply_async(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None:
        """Async twin of ``apply``."""
        await self._environment.run_async(self._apply(report_to_stdout, allow_destructive))

    async def _apply(self, report_to_stdout: bool, allow_destructive: bool) -> None:
        if self._changes is None:
            self._changes = await self._work.changes()
        self._need_consent(allow_destructive)
        _show(await self._work.apply(self._changes, _reporter(report_to_stdout)), report_to_stdout)
        self._changes = None

    def describe_and_apply(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None:
        """Describe the changes, print them if ``report_to_stdout``, and apply them if there are any."""
        operation = self.carried_out(report_to_stdout, allow_destructive)
        self._environment.run(operation, "describe_and_apply_async()")

    async def describe_and_apply_async(
        self, report_to_stdout: bool = False, allow_destructive: bool = False
    ) -> None:
        """Async twin of ``describe_and_apply``."""
        await self._environment.run_async(self.carried_out(report_to_stdout, allow_destructive))

    async def carried_out(self, report_to_stdout: bool, allow_destructive: bool) -> None:
        """The operation behind ``describe_and_apply``. Runs on the loop."""
        text, current = await self._describe()
        if self._announce(text, current, report_to_stdout):
            await self._apply(report_to_stdout, allow_destructive)

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
