"""The hashing arithmetic: exact, stable, and lexical in the way it says."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_embed.features import FeatureHasher

HASHER = FeatureHasher(64, 3, 5, 2)


def vector(text: str, hasher: FeatureHasher = HASHER) -> list[float]:
    return [float(number) for number in hasher.embed([text])[0]]


def similarity(left: str, right: str) -> float:
    first, second = HASHER.embed([left, right])
    return float(first @ second)


# -- the same thing written the slow way -------------------------------------------------------------------

MASK = (1 << 64) - 1
BASE = 0x9E3779B97F4A7C15


def slow_vector(text: str, dimension: int, smallest: int, largest: int, word_weight: int) -> list[float]:
    folded = unicodedata.normalize("NFKC", text).casefold() if not text.isascii() else text.lower()
    cleaned = "".join(
        char if char.isalnum() or (not char.isascii() and unicodedata.category(char)[0] == "M") else " "
        for char in folded
    )
    counts = [0] * dimension
    for word in cleaned.split():
        framed = f" {word} "
        features = [(word, 0, word_weight)]
        for size in range(smallest, largest + 1):
            features += [(framed[i : i + size], size, 1) for i in range(len(framed) - size + 1)]
        for feature, size, weight in features:
            if size == 1 and feature == " ":
                continue
            bucket, sign = slow_hash(feature, size, dimension)
            counts[bucket] += sign * weight
    total = sum(map(abs, counts))
    if total == 0:
        counts[slow_hash("", 0, dimension)[0]] = total = 1
    return [float(np.float32(math.copysign(math.sqrt(abs(count) / total), count))) for count in counts]


def slow_hash(feature: str, size: int, dimension: int) -> tuple[int, int]:
    value = sum(ord(char) * pow(BASE, i, 1 << 64) for i, char in enumerate(feature))
    value = (value + (size + 1) * 0x632BE59BD9B4E019) & MASK
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & MASK
    value ^= value >> 33
    return ((value >> 32) * dimension) >> 32, -1 if value & 1 else 1


TEXTS = st.text(st.sampled_from("ab. ,\nÉß中文नि\U0001f600x9_") | st.characters(codec="utf-8"), max_size=60)


@settings(max_examples=examples(200))
@given(TEXTS, st.integers(1, 70), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_agrees_with_the_reference_computation(
    text: str, dimension: int, smallest: int, more: int, weight: int
) -> None:
    hasher = FeatureHasher(dimension, smallest, smallest + more, weight)
    assert vector(text, hasher) == slow_vector(text, dimension, smallest, smallest + more, weight)


@given(st.lists(TEXTS, max_size=8))
def test_a_text_gets_the_same_bits_alone_and_among_others(texts: list[str]) -> None:
    together = HASHER.embed(texts)
    assert together.shape == (len(texts), 64)
    for text, row in zip(texts, together, strict=True):
        assert row.tobytes() == FeatureHasher(64, 3, 5, 2).embed([text])[0].tobytes()


@given(TEXTS)
def test_vectors_are_finite_and_of_length_one(text: str) -> None:
    assert math.isclose(math.hypot(*vector(text)), 1, rel_tol=1e-6)


def test_many_and_long_texts_are_cut_into_parts() -> None:
    texts = [
        "long text " * 3_000,
        "",
        "short",
        "another long text " * 2_000,
        *(f"word{i}" for i in range(3_000)),
    ]
    together = HASHER.embed(texts)
    for index in (0, 1, 2, 3, 4, 1_500, len(texts) - 1):
        assert together[index].tobytes() == HASHER.embed([texts[index]])[0].tobytes()


def test_bits_do_not_depend_on_the_process() -> None:
    code = (
        "from coco_function_embed.features import FeatureHasher as F;"
        "print(F(32, 3, 5, 2).embed(['Straße und Öl, 42!']).tobytes().hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert found == {FeatureHasher(32, 3, 5, 2).embed(["Straße und Öl, 42!"]).tobytes().hex() + "\n"}


def test_bits_are_those_of_behaviour_version_one() -> None:
    """If this fails, raise ``behavior_version``: stored vectors no longer match new ones."""
    found = np.round(FeatureHasher(8, 3, 5, 2).embed(["Hello, wörld"])[0], 6)
    assert found.tolist() == pytest.approx(GOLDEN, abs=1e-6)


GOLDEN = [0.2886751, -0.2886751, -0.2886751, -0.2886751, 0.2886751, 0.2886751, 0.0, -0.7071068]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Hello World", "hello, world!"),
        ("a_b", "a b"),
        ("\uff21\uff22\uff23", "abc"),
        ("straße", "STRASSE"),
        ("", "?!"),
        ("", "\n"),
    ],
)
def test_differences_that_do_not_change_a_vector(left: str, right: str) -> None:
    assert vector(left) == vector(right)


@pytest.mark.parametrize(("left", "right"), [("ab", "ba"), ("ab c", "a bc"), ("", "a"), ("résumé", "resume")])
def test_differences_that_change_a_vector(left: str, right: str) -> None:
    assert vector(left) != vector(right)


def test_texts_with_shared_words_and_parts_of_words_are_similar() -> None:
    assert similarity("the quick brown fox", "a quick brown fox") > 0.7
    assert similarity("incremental processing", "processes incrementally") > 0.3
    assert similarity("incremental procesing", "incremental processing") > 0.6
    assert abs(similarity("the quick brown fox", "database isolation levels")) < 0.3
