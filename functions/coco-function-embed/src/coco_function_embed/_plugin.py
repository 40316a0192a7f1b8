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
            "HashEmbed",
            "coco_function_embed.hashing:HashEmbed",
            doc="Text into a vector by hashed words and n-grams; no model.",
        ),
        OpManifest(
            "function",
            "MiniLmEmbed",
            "coco_function_embed.minilm:MiniLmEmbed",
            doc="Text into a vector by all-MiniLM-L6-v2 on numpy.",
        ),
        OpManifest(
            "function",
            "SentenceTransformerEmbed",
            "coco_function_embed.sentence:SentenceTransformerEmbed",
            doc="Text into a vector by any sentence-transformers model.",
        ),
    ]
