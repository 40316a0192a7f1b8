"""Changes in words: what setup or drop will do, for a person to confirm."""

from __future__ import annotations

from coco.setup.changes import ChangeKind, FlowChange, ResourceChange


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
