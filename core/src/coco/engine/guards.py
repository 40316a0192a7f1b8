"""Guards against accidental loss of data: a source that suddenly lists nothing, a run that deletes too much."""

from __future__ import annotations

from msgspec import Struct, field

from coco.errors import SafetyStopError

DEFAULT_MAX_DELETE_SHARE = 0.5
MIN_GUARDED_ROWS = 10
"""A run may always remove fewer rows than this from a target."""


class DeleteGuard(Struct):
    """Limits how many rows one run may remove from each target.

    ``share``: part of a target's rows that the run may remove, net of what it adds. ``allow``: switches the guard off.
    """

    share: float = DEFAULT_MAX_DELETE_SHARE
    allow: bool = False
    _start: dict[str, int] = field(default_factory=dict)
    _now: dict[str, int] = field(default_factory=dict)

    def begin(self, target: str, rows: int) -> None:
        self._start.setdefault(target, rows)
        self._now.setdefault(target, rows)

    def check(self, flow: str, target: str, net: int) -> None:
        """Add the net change of a batch; raise ``SafetyStopError`` if ``target`` would lose too many rows."""
        start = self._start.get(target, 0)
        after = self._now.get(target, start) + net
        lost = start - after
        if not self.allow and net < 0 and lost >= MIN_GUARDED_ROWS and lost > start * self.share:
            raise SafetyStopError(
                f"stopped: this run would delete {lost} of the {start} rows of target '{target}' of flow '{flow}' "
                f"(more than {self.share:.0%}). If that is meant, run `coco update --allow-deletes` or "
                "flow.update(allow_deletes=True); the limit is COCO_MAX_DELETE_SHARE"
            )
        self._now[target] = after

    def check_listing(self, flow: str, source: str, listed: int, tracked: int) -> None:
        """Raise ``SafetyStopError`` if a source with tracked rows lists nothing at all."""
        if listed == 0 and tracked > 0 and not self.allow:
            raise SafetyStopError(
                f"stopped: source '{source}' of flow '{flow}' lists nothing, but {tracked} rows are tracked. Nothing was "
                "deleted. Check the source; if it is really empty, run `coco update --allow-deletes` or "
                "flow.update(allow_deletes=True)"
            )
