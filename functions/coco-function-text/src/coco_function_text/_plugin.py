"""What this distribution brings to coco. Light: nothing else is imported until it is used."""

from __future__ import annotations

from coco.plugins import OpManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_ops() -> list[OpManifest]:
    """The operations, by the module that registers them."""
    return [
        OpManifest(
            "function",
            "SplitRecursively",
            "coco_function_text.split_recursively:SplitRecursively",
            doc="Text into chunks of a given size, cut at the best place of its language.",
            also=("CustomLanguageSpec",),
        ),
        OpManifest(
            "function",
            "SplitBySeparators",
            "coco_function_text.split_by_separators:SplitBySeparators",
            doc="Text into chunks, cut at regular expressions.",
        ),
        OpManifest(
            "function",
            "DetectProgrammingLanguage",
            "coco_function_text.detect_language:DetectProgrammingLanguage",
            doc="Language of a file by its name.",
        ),
        OpManifest(
            "function", "ParseJson", "coco_function_text.parse_json:ParseJson", doc="Text into a JSON value."
        ),
    ]
