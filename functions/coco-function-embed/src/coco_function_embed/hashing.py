"""HashEmbed: vectors from the letters of a text alone. Importing this module registers the operation."""

from __future__ import annotations

from typing import Any

from coco import op
from coco.errors import DefinitionError
from coco.op import ArgRelationship, FunctionSpec
from coco_function_embed.vectors import vector_type

LONGEST = 32
"""Largest length of n-grams that is of any use; more is taken for a mistake."""


class HashEmbed(FunctionSpec):
    """A lexical embedding: texts that share words and pieces of words get similar vectors.

    It does not represent meaning: "car" and "automobile" are as far apart as any two words. In return it needs
    no model, is fast (about 20 microseconds for 500 characters) and gives the same bits on every machine.
    Use it for tests, for near-duplicates, for a search that tolerates typing errors, and as one half of a hybrid search.

    Vectors have length 1. Case, compatibility forms of Unicode and punctuation make no difference. A text
    without a letter or digit gets a fixed vector. Raises ``ValueError`` for a number out of its range.
    """

    dimension: int = 256
    """Length of the vectors."""
    min_ngram: int = 3
    """Length of the shortest character n-grams inside words that count as features, the blanks around a word included. For
    Chinese and Japanese text use 2."""
    max_ngram: int = 5
    """Length of the longest ones."""
    word_weight: int = 4
    """How many times a whole word counts; an n-gram counts once."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("dimension", 1, 1 << 16),
            ("min_ngram", 1, LONGEST),
            ("max_ngram", self.min_ngram, LONGEST),
            ("word_weight", 0, 1_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise DefinitionError(f"HashEmbed.{name}: expected {low} to {high}, got {value}")


@op.executor_class(
    batching=True,
    cache=True,
    behavior_version=1,
    arg_relationship=(ArgRelationship.EMBEDDING_ORIGIN_TEXT, "text"),
)
class HashEmbedExecutor:
    """Embeds lists of texts; holds tables only."""

    spec: HashEmbed

    def analyze(self) -> Any:
        return vector_type(self.spec.dimension)

    def prepare(self) -> None:
        from coco_function_embed.features import FeatureHasher

        spec = self.spec
        self._hasher = FeatureHasher(spec.dimension, spec.min_ngram, spec.max_ngram, spec.word_weight)

    def __call__(self, text: list[str]) -> list[Any]:
        return list(self._hasher.embed(text))
