"""What this distribution brings to coco. Light: nothing else is imported until it is used."""

from __future__ import annotations

from coco.plugins import OpManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_ops() -> list[OpManifest]:
    """The operations, by the module that registers them."""
    return [
        OpManifest(
            "target",
            "Qdrant",
            "coco_target_qdrant.spec:Qdrant",
            doc="A collection of a Qdrant server.",
            also=("QdrantConnection",),
        )
    ]
