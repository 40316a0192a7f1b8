"""Setup and drop of flows: compute the changes, then apply them under the lease of each flow."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from coco.environment.places import noted_place, project_folder
from coco.environment.preparation import flow_change
from coco.errors import LifecycleError, SetupConflictError
from coco.operations.cache import forget_results
from coco.operations.check_sources import check_sources
from coco.setup.apply import Applier, CallFn
from coco.setup.diff import FlowChange, diff_drop, forget_unknown
from coco.setup.existing import look_at_existing, refuse_twins

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.flow.graph import DefinitionPlace, Graph


LOG = logging.getLogger("coco")


class SetupWork:
    """Computes and applies the changes of a bundle. Runs on the loop.

    ``drop``: full names of flows to drop, with where they are defined, if they are. ``keep_results``: the memo keeps
    what the functions of dropped flows returned. ``forget``: records of targets without a plugin are removed; the targets
    stay as they are.
    """

    def __init__(
        self,
        environment: Environment,
        graphs: list[Graph],
        drop: Mapping[str, DefinitionPlace | None] | None,
        *,
        keep_results: bool = False,
        forget: bool = False,
    ) -> None:
        self._forget = forget
        self.environment = environment
        self._graphs = graphs
        self._drop = drop
        self._keep_results = keep_results

    async def changes(self) -> list[FlowChange]:
        """The pending changes. Changes nothing."""
        environment = self.environment
        threads = environment.threads
        before_state = self._drop is None and not environment.store_exists()
        if before_state:  # do not create a state file either
            await check_sources(self._graphs, threads)
        store = await threads.store(environment.store)
        changes = await threads.store(self._changes, store)
        if self._drop is None and not before_state:
            pending = {change.flow for change in changes if not change.up_to_date}
            await check_sources((item for item in self._graphs if item.full_name in pending), threads)
        for change in changes:
            await look_at_existing(change, self._call(change.flow))
        return changes

    def _call(self, flow: str) -> CallFn:
        """Calls connector code for a flow."""
        return functools.partial(self.environment.target_calls, f"setup of flow '{flow}'")

    def _changes(self, store: Any) -> list[FlowChange]:
        if self._drop is None:
            wanted = [flow_change(store, graph) for graph in self._graphs]
            refuse_twins(wanted)
            return [self._forgetting(item) for item in wanted]
        changes = []
        for flow, place in self._drop.items():
            records = store.setup_records(flow)
            ids = [item.state["target_id"] for item in records if item.state and "target_id" in item.state]
            counts = store.row_counts(ids) if ids else {}
            defined, home = noted_place(place, store.location), project_folder(store.location)
            change = diff_drop(flow, store.setup_version(flow), records, counts, defined, home)
            change.keep_results = self._keep_results
            changes.append(self._forgetting(change))
        return changes

    def _forgetting(self, change: FlowChange) -> FlowChange:
        if self._forget:
            forget_unknown(change)
        return change

    async def _again(self, store: Any, described: FlowChange) -> FlowChange:
        """The current change; raises if it does anything that was not described."""
        threads = self.environment.threads
        changes = await threads.store(self._changes, store)
        found = next((item for item in changes if item.flow == described.flow), None)
        if found is not None:
            await look_at_existing(found, self._call(found.flow))
        if found is None or not found.within(described):
            raise SetupConflictError(
                f"the setup of flow '{described.flow}' was changed by another process; describe it again"
            )
        return found

    async def apply(self, changes: list[FlowChange], report: Callable[[str], None]) -> list[str]:
        """Apply changes; returns warnings. ``report``: receives a line for each step."""
        environment = self.environment
        threads = environment.threads
        store = await threads.store(environment.store)
        warnings: list[str] = []
        for change in changes:
            if environment.runs.is_running(change.flow):
                raise LifecycleError(
                    f"flow '{change.flow}' is being updated in this process; wait for it or stop it"
                )
            if not change.up_to_date and environment.is_followed(change.flow):
                raise LifecycleError(
                    f"a live updater of this process follows flow '{change.flow}'; nothing was changed. Call abort() and "
                    f"wait() on it, then {'drop' if change.drop else 'set up'}"
                )
            async with environment.leased(change.flow, "drop" if change.drop else "setup"):
                if await threads.store(store.setup_version, change.flow) != change.version:
                    change = await self._again(store, change)
                applier = Applier(
                    store,
                    self._call(change.flow),
                    threads.store,
                    environment.emit,
                    report,
                    environment.settings.ignore_target_drop_failures,
                )
                warnings += await applier.apply(change)
                if change.note:
                    LOG.warning(change.note)
                for item in change.left if change.drop else ():
                    reason = "; ".join(item.notes)
                    LOG.warning(
                        "flow '%s' was not dropped as a whole: %s %s", change.flow, item.title, reason
                    )
                if change.drop and not change.left and not self._keep_results:
                    await threads.store(forget_results, store, environment.settings, change.flow)
        return warnings
