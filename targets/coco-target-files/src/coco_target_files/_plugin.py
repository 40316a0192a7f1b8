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
            "Files",
            "coco_target_files.spec:Files",
            doc="A folder with a Markdown, HTML or JSON file for each row.",
        )
    ]
