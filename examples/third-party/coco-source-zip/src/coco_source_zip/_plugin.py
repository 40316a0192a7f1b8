"""The manifests of this distribution. Every command imports this module, so it imports nothing heavy."""

from coco.plugins import OpManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_ops() -> list[OpManifest]:
    return [OpManifest("source", "ZipArchive", "coco_source_zip.source:ZipArchive", doc="Files in a zip.")]
