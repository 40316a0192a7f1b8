"""Names by which users know the target, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import coco
from coco_kit_graph.mapping import Nodes
from coco_target_neo4j import _plugin
from coco_target_neo4j.settings import Neo4jConnection


def test_the_manifest_names_this_package() -> None:
    manifests = _plugin.coco_ops()
    assert [item.name for item in manifests] == ["Neo4j", "Neo4jDeclaration"]
    assert all(item.target.startswith("coco_target_neo4j.") for item in manifests)


def test_names_of_the_mapping_stand_beside_the_target() -> None:
    assert coco.targets.Nodes is Nodes
    names = {
        "Neo4j",
        "Neo4jConnection",
        "Neo4jDeclaration",
        "Relationships",
        "NodeFromFields",
        "TargetFieldMapping",
    }
    assert names <= set(dir(coco.targets))


def test_older_names() -> None:
    assert coco.targets.Neo4jConnectionSpec is Neo4jConnection
    assert coco.targets.Neo4jDeclarations is coco.targets.Neo4jDeclaration


def test_defining_a_flow_loads_no_driver() -> None:
    script = "import sys, coco; coco.targets.Neo4j; print({'neo4j', 'numpy', 'pytz'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
