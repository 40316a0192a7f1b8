"""Names by which users know the target, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import coco
from coco import targets
from coco.kit.plain import to_plain
from coco_kit_graph.mapping import Nodes
from coco_target_kuzu import _plugin


def test_the_manifest_names_this_package() -> None:
    manifests = _plugin.coco_ops()
    assert [item.name for item in manifests] == ["Kuzu", "KuzuDeclaration"]
    assert all(item.target.startswith("coco_target_kuzu.") for item in manifests)


def test_names_of_the_mapping_stand_beside_the_target() -> None:
    assert coco.targets.Nodes is Nodes
    names = (
        "Kuzu",
        "KuzuConnection",
        "KuzuDeclaration",
        "Relationships",
        "NodeFromFields",
        "TargetFieldMapping",
    )
    assert set(names) <= set(dir(coco.targets))


def test_names_of_the_fork() -> None:
    targets = coco.targets
    assert (targets.Ladybug, targets.LadybugDeclaration) == (targets.Kuzu, targets.KuzuDeclaration)
    assert targets.LadybugConnection is targets.KuzuConnection
    assert {"Ladybug", "LadybugConnection", "LadybugDeclaration"} <= set(dir(targets))


def test_older_names_of_the_mapping() -> None:
    assert targets.NodeMapping is Nodes
    assert targets.RelationshipMapping is targets.Relationships
    assert targets.NodeReferenceMapping is targets.NodeFromFields


def test_specs_as_plain_data() -> None:
    graph = coco.ref_auth_entry("graph")
    target = targets.Ladybug(graph, targets.Nodes("Page"))
    assert to_plain(target) == {
        "connection": {"key": "graph"},
        "mapping": {"label": "Page", "kind": "Node"},
    }
    declared = targets.LadybugDeclaration(graph, "Place", ["name"])
    assert to_plain(declared) == {
        "kind": "Ladybug",
        "connection": {"key": "graph"},
        "nodes_label": "Place",
        "primary_key_fields": ["name"],
    }


def test_defining_a_flow_loads_no_engine() -> None:
    script = "import sys, coco; coco.targets.Kuzu; print({'kuzu', 'ladybug', 'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
