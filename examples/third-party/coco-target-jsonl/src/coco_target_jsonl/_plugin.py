"""What this distribution brings to coco. Light: nothing else is imported until it is used."""

from coco.plugins import OpManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_ops() -> list[OpManifest]:
    return [OpManifest("target", "Jsonl", "coco_target_jsonl.target:Jsonl", doc="JSON lines in a file.")]
