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
            "Neo4j",
            "coco_target_neo4j.spec:Neo4j",
            doc="Nodes or relationships of a Neo4j graph.",
            also=("Neo4jConnection", "Neo4jConnectionSpec", *_MAPPING),
        ),
        OpManifest(
            "declaration",
            "Neo4jDeclaration",
            "coco_target_neo4j.spec:Neo4jDeclaration",
            doc="A node label of Neo4j that no export fills.",
            also=("Neo4jDeclarations",),
        ),
    ]
