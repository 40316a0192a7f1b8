"""The mark of the last run that wrote into a collection: an alias of it, whose name says flow and mark.

Aliases hold no points that searches would find, and go with their collection. A storage that is restored as a whole brings
them back; a snapshot of one collection has none, which is noticed as a mark that is lost.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from coco_target_qdrant.wire import Wire

PREFIX = "coco-epoch~"


def read_epoch(wire: Wire, collection: str, flow: str) -> str | None:
    """The mark that a flow left, the latest if there are several."""
    found = _aliases(wire, collection, flow)
    return max(map(_epoch, found)) if found else None


def write_epoch(wire: Wire, collection: str, flow: str, epoch: str) -> None:
    """Leave a mark in place of the former one."""
    name = f"{PREFIX}{flow}~{quote(epoch, safe='')}"
    wire.exchange_aliases(
        collection, [item for item in _aliases(wire, collection, flow) if item != name], name
    )


def _aliases(wire: Wire, collection: str, flow: str) -> list[str]:
    return [item for item in wire.aliases(collection) if item.startswith(f"{PREFIX}{flow}~")]


def _epoch(alias: str) -> str:
    return unquote(alias.rpartition("~")[2])
