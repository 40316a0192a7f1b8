"""What this distribution brings to coco. Light: nothing else is imported until it is used."""

from __future__ import annotations

from coco.plugins import OpManifest, hookimpl

COCO_API = 1

_MAPPING = tuple(
    f"coco_kit_graph.mapping:{name}"
    for name in (
        "Nodes",
        "Relationships",
        "NodeFromFields",
        "TargetFieldMapping",
        "NodeMapping",
        "RelationshipMapping",
        "NodeReferenceMapping",
    )
)


@hookimpl
def coco_ops() -> list[OpManifest]:
    """The operations, by the module that registers them."""
    return [
        OpManifest(
            "target",
            "Kuzu",
            "coco_target_kuzu.spec:Kuzu",
            doc="Nodes or relationships of an embedded Kuzu or Ladybug graph.",
            also=("KuzuConnection", "Ladybug", "LadybugConnection", *_MAPPING),
        ),
        OpManifest(
            "declaration",
            "KuzuDeclaration",
            "coco_target_kuzu.spec:KuzuDeclaration",
            doc="A node label of Kuzu that no export fills.",
            also=("KuzuConnection", "LadybugConnection", "LadybugDeclaration"),
        ),
    ]
