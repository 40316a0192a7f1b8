"""Options of evaluation and of updates, and the status of a running update."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from coco.errors import CallShapeError


@dataclass(frozen=True)
class EvaluateAndDumpOptions:
    """How ``Flow.evaluate_and_dump`` works.

    output_dir: folder for the files, made if missing.
    use_cache: read memoised results (never write them).
    """

    output_dir: str
    use_cache: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.output_dir, (str, os.PathLike)):
            raise CallShapeError(f"output_dir must be a path, got {type(self.output_dir).__name__}")
        object.__setattr__(self, "output_dir", os.fspath(self.output_dir))
        if not self.output_dir:
            raise CallShapeError("output_dir must not be empty")


@dataclass(frozen=True)
class FlowLiveUpdaterOptions:
    """How a ``FlowLiveUpdater`` works.

    live_mode: keep following the sources; False makes one pass.
    reexport_targets: write every row in the initial pass, changed or not.
    print_stats: statistics on standard output while running.
    full_reprocess: compute everything anew in the initial pass, without memoised results.
    allow_deletes: let the run delete more than the guards would.
    """

    live_mode: bool = True
    reexport_targets: bool = False
    print_stats: bool = False
    full_reprocess: bool = False
    allow_deletes: bool = False


@dataclass
class FlowUpdaterStatusUpdates:
    """What changed since the previous report. Names of sources, in definition order.

    active_sources: still being processed or watched; empty means that the updater has stopped.
    updated_sources: had updates since the previous report, each named once.
    """

    active_sources: list[str] = field(default_factory=list)
    updated_sources: list[str] = field(default_factory=list)
