"""The operations as an engine drives them: made bare, given a spec, prepared, called with lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embed_test_support import WIDTH, write_model

from coco.kit.plain import from_plain, to_plain
from coco_function_embed.hashing import HashEmbed, HashEmbedExecutor
from coco_function_embed.minilm import MiniLmEmbed, MiniLmEmbedExecutor


def prepared(cls: Any, spec: Any) -> Any:
    made = cls()
    made.spec = spec
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"dimension": 0}, "dimension"),
        ({"dimension": 1 << 17}, "dimension"),
        ({"min_ngram": 0}, "min_ngram"),
        ({"min_ngram": 4, "max_ngram": 3}, "max_ngram"),
        ({"max_ngram": 33}, "max_ngram"),
        ({"word_weight": -1}, "word_weight"),
    ],
)
def test_hash_embed_refuses_numbers_out_of_range(fields: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=rf"HashEmbed\.{name}"):
        HashEmbed(**fields)


def test_hash_embed_gives_rows_in_order() -> None:
    made = prepared(HashEmbedExecutor, HashEmbed(dimension=32))
    rows = made(["some text", "", "other text"])
    assert [(row.dtype, row.shape) for row in rows] == [(np.dtype(np.float32), (32,))] * 3
    assert rows[2].tobytes() == made(["other text"])[0].tobytes()
    assert all(np.isfinite(row).all() for row in rows)


@pytest.mark.parametrize("spec", [HashEmbed(dimension=7, min_ngram=2), MiniLmEmbed(path="somewhere")])
def test_specs_survive_storage(spec: Any) -> None:
    assert from_plain(type(spec), to_plain(spec)) == spec


def test_minilm_runs_a_model_from_a_directory(small_model: Path) -> None:
    made = prepared(MiniLmEmbedExecutor, MiniLmEmbed(model="mine", path=str(small_model)))
    rows = made(["a b", ""])
    assert [(row.dtype, row.shape) for row in rows] == [(np.dtype(np.float32), (WIDTH,))] * 2
    made.close()


def test_minilm_identity_names_model_revision_and_dimension(tmp_path: Path) -> None:
    first, second = (
        MiniLmEmbedExecutor.extra_identity(
            MiniLmEmbed(model="mine", path=str(write_model(tmp_path / name, seed)))
        )
        for seed, name in enumerate(("first", "second"))
    )
    assert first.startswith("numpy/mine@")
    assert first.endswith(f":{WIDTH}")
    assert first != second


def test_minilm_without_a_usable_directory_fails_at_build(tmp_path: Path) -> None:
    made = MiniLmEmbedExecutor()
    made.spec = MiniLmEmbed(path=str(tmp_path))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        made.analyze()
