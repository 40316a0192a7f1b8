"""Late change messages, or change messages whose row is read from a replica that lags behind.

A version older than the committed one is ignored, and the source is listed: the listing shows the current version, also if
an older one was restored.
"""

from __future__ import annotations

from coco.engine.batches import WorkRow
from coco.engine.context import Run
from coco.engine.read import ReadOutcome
from coco.engine.source_state import SourceState


def leave_older(run: Run, state: SourceState, outcome: ReadOutcome) -> None:
    """Remove rows from ``outcome`` that are older than their committed version or their deletion."""
    if run.options.only_keys is None or not run.trust_ordinals.get(state.name, True):
        return
    deletions = run.options.deleted.setdefault(state.name, {})

    def is_older(row: WorkRow) -> bool:
        if row.ordinal is None or row.forced or row.again:
            return False
        known = row.head.ordinal if row.head is not None else deletions.get(row.key)
        return known is not None and row.ordinal < known

    fine = [position for position, row in enumerate(outcome.rows) if not is_older(row)]
    deleted = [row for row in outcome.deleted if not is_older(row)]
    older = len(outcome.rows) - len(fine) + len(outcome.deleted) - len(deleted)
    outcome.keep(fine)
    outcome.deleted = deleted
    deletions.update((row.key, row.ordinal) for row in deleted if row.ordinal is not None)
    state.stats.num_no_change += older
    state.stats.num_stale += older
