import subprocess
import sys

import coco
from coco_target_qdrant import _plugin


def test_the_manifest_names_this_package() -> None:
    manifests = _plugin.coco_ops()
    assert manifests
    assert all(item.target.startswith("coco_target_qdrant.") for item in manifests)


def test_names_of_v0() -> None:
    """Flows written for v0 say ``cocoindex.targets.Qdrant`` and ``cocoindex.targets.QdrantConnection``."""
    from coco_target_qdrant.spec import Qdrant, QdrantConnection

    assert coco.targets.Qdrant is Qdrant
    assert coco.targets.QdrantConnection is QdrantConnection
    reference = coco.add_auth_entry("v0", QdrantConnection(grpc_url="http://localhost:6334/"))
    spec = coco.targets.Qdrant(connection=reference, collection_name="TextEmbedding")
    assert spec.collection_name == "TextEmbedding"


def test_a_definition_imports_no_client() -> None:
    code = """
import sys, coco
coco.targets.Qdrant(collection_name="x")
print([name for name in ("qdrant_client", "grpc", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
