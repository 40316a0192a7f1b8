"""Which elements are coco's: a property on each says so, and the same rules hold in every graph.

| mark of a node | meaning | deleted |
|---|---|---|
| ``exported`` | made by coco, a row of an export stands behind it | with its row, or it becomes ``referenced`` |
| ``referenced`` | made by coco, only as the end of relationships | with the last relationship |
| ``adopted`` | was there before; a row gives it values | never; with its row, the values and the mark go |
| none | not coco's | never, and its properties are never touched |

A relationship of coco's is marked ``exported``.
"""

from __future__ import annotations

MARK = "_coco"
"""The property that marks coco's elements."""

KEY = "_coco_key"
"""The property that holds a key where the store cannot take it as it is."""

RESERVED = "_coco"
"""Names of properties must not start with this."""

EXPORTED = "exported"
REFERENCED = "referenced"
ADOPTED = "adopted"

CATALOG = "CocoElements"
"""Label of the nodes that list coco's labels and relationship types."""
