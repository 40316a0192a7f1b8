"""The encoder against the textbook, one text at a time in 64 bits."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from embed_test_support import CONFIG, POSITIONS, WIDTH, WORDS, random_weights, textbook
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_embed import bert
from coco_function_embed.bert import BertEncoder

WEIGHTS = random_weights(1)
ENCODER = BertEncoder(CONFIG, WEIGHTS)
TOKEN_LISTS = st.lists(st.lists(st.integers(0, len(WORDS) - 1), min_size=1, max_size=POSITIONS), max_size=9)


@settings(max_examples=examples(40))
@given(TOKEN_LISTS)
def test_agrees_with_the_textbook_in_any_mixture(texts: list[list[int]]) -> None:
    found = ENCODER.encode(texts)
    assert found.shape == (len(texts), WIDTH)
    assert found.dtype == np.float32
    for row, ids in zip(found, texts, strict=True):
        np.testing.assert_allclose(row, textbook(CONFIG, WEIGHTS, ids), atol=2e-6)


def test_parts_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    texts = [random.integers(0, len(WORDS), size).tolist() for size in random.integers(1, POSITIONS, 40)]
    whole = ENCODER.encode(texts)
    monkeypatch.setattr(bert, "MAX_TOKENS", 100)
    with ThreadPoolExecutor(3) as pool:
        np.testing.assert_allclose(ENCODER.encode(texts, pool, 3), whole, atol=1e-6)


def test_error_in_a_part_is_raised() -> None:
    with ThreadPoolExecutor(2) as pool, pytest.raises(IndexError):
        ENCODER.encode([[len(WORDS)] * 60, *([[1] * 60] * 30)], pool, 2)


def test_gelu_is_exact_to_32_bits() -> None:
    values = np.linspace(-12, 12, 20_001).astype(np.float32)
    expected = [value / 2 * math.erfc(-value / math.sqrt(2)) for value in values.astype(float)]
    found = values.copy()
    bert.gelu(found)
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=5e-7)


@pytest.mark.parametrize(
    ("field", "value"),
    [("model_type", "roberta"), ("hidden_act", "relu"), ("position_embedding_type", "relative_key")],
)
def test_other_architectures_are_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{field}.*{value}"):
        BertEncoder({**CONFIG, field: value}, WEIGHTS)


def test_sizes_come_from_the_files() -> None:
    assert (ENCODER.width, ENCODER.max_length) == (WIDTH, POSITIONS)
