"""Options of evaluation and of live updates, and the status of a live update."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from coco.errors import CallShapeError


@dataclass(frozen=True)
class EvaluateAndDumpOptions:
    """Options of ``Flow.evaluate_and_dump``."""

    output_dir: str
    """Folder for the files. It is created if it is missing."""
    use_cache: bool = True
    """Whether cached results of functions are used. New results are never stored."""

    def __post_init__(self) -> None:
        if not isinstance(self.output_dir, (str, os.PathLike)):
            raise CallShapeError(f"output_dir must be a path, got {type(self.output_dir).__name__}")
        object.__setattr__(self, "output_dir", os.fspath(self.output_dir))
        if not self.output_dir:
            raise CallShapeError("output_dir must not be empty")


@dataclass(frozen=True)
class FlowLiveUpdaterOptions:
    """Options of a ``FlowLiveUpdater``."""

    live_mode: bool = True
    """Whether the updater follows the sources after the first run. False: it ends with the first run."""
    reexport_targets: bool = False
    """Whether the first run writes every row, changed or not."""
    print_stats: bool = False
    """Whether statistics are printed to standard output."""
    full_reprocess: bool = False
    """Whether the first run computes everything again, without cached results."""
    allow_deletes: bool = False
    """Whether runs may delete more rows than the guard against mass deletion allows."""


@dataclass
class FlowUpdaterStatusUpdates:
    """What changed since the previous report: names of sources, in the order of definition."""

    active_sources: list[str] = field(default_factory=list)
    """Sources that are being processed or followed. Empty: the updater has stopped."""
    updated_sources: list[str] = field(default_factory=list)
    """Sources that were updated since the previous report, each once."""
