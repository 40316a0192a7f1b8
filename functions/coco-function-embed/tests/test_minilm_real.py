"""The real all-MiniLM-L6-v2, where its weights are installed. In CI they must be."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest
from embed_test_support import textbook

from coco_function_embed.model_files import MINILM, MINILM_PACKAGE, find_model, has_minilm
from coco_function_embed.text_encoder import load_encoder

pytestmark = pytest.mark.skipif(
    not has_minilm() and not os.environ.get("CI"), reason=f"the weights ({MINILM_PACKAGE}) are not installed"
)

TEXTS = [
    "How do I bake bread?",
    "",
    "Recipe for a sourdough loaf",
    "The stock market fell. " * 60,
    "naïve 中文 \U0001f600",
]


@pytest.fixture(scope="module")
def files() -> Any:
    return find_model(MINILM, None)


def test_facts(files: Any) -> None:
    assert (files.dimension, files.max_tokens) == (384, 256)


def test_agrees_with_the_textbook(files: Any) -> None:
    from safetensors.numpy import load_file

    encoder = load_encoder(files)
    found = encoder.embed(TEXTS)
    weights = load_file(files.directory / "model.safetensors")
    config = json.loads((files.directory / "config.json").read_text())
    for row, ids in zip(found, encoder.tokens(TEXTS), strict=True):
        assert np.isfinite(row).all()
        np.testing.assert_allclose(row, textbook(config, weights, ids), atol=1e-6)


def test_known_tokens(files: Any) -> None:
    tokens = load_encoder(files).tokens(["Hello, world!", "x " * 400])
    assert tokens[0] == [101, 7592, 1010, 2088, 999, 102]
    assert len(tokens[1]) == 256


def test_meaning_counts_and_not_only_words(files: Any) -> None:
    bread, loaf, market = load_encoder(files).embed([TEXTS[0], TEXTS[2], "The stock market fell"])
    assert bread @ loaf > 0.5
    assert bread @ market < 0.2
