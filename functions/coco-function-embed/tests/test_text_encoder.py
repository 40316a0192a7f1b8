"""From text to vector with a model on disk."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embed_test_support import WIDTH, write_model

from coco_function_embed import blas, text_encoder
from coco_function_embed.model_files import find_model
from coco_function_embed.text_encoder import TextEncoder, load_encoder


def encoder(directory: Path) -> TextEncoder:
    return load_encoder(find_model("any", str(directory)))


def test_settings_of_the_tokenizer_file_are_not_used(small_model: Path) -> None:
    made = encoder(small_model)
    assert made.tokens(["a b", "cd", ""]) == [[2, 4, 5, 3], [2, 6, 7, 3], [2, 3]]
    [ids] = made.tokens(["a " * 100])
    assert len(ids) == 32  # max_seq_length of the sentence configuration
    assert (ids[0], ids[-1]) == (2, 3)


def test_order_is_kept_and_vectors_have_length_one(small_model: Path) -> None:
    made = encoder(small_model)
    texts = ["a", "long text " * 9, "", "b c", "cd.", "unheard of"]
    together = made.embed(texts)
    assert together.shape == (6, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(made.embed([text])[0], row, atol=1e-6)


def test_one_copy_in_memory_and_few_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoder, "_loaded", {})
    paths = [write_model(tmp_path / str(seed), seed) for seed in range(text_encoder.KEPT + 1)]
    first = encoder(paths[0])
    assert encoder(paths[0]) is first
    others = [encoder(path) for path in paths[1:]]
    assert [encoder(path) for path in paths[1:]] == others
    assert encoder(paths[0]) is not first


def test_usable_from_many_threads(small_model: Path) -> None:
    made = encoder(small_model)
    texts = [f"a b {'c ' * count}" for count in range(20)]
    expected = made.embed(texts)
    found: list[Any] = [None] * 4

    def work(number: int) -> None:
        found[number] = made.embed(texts)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_broken_weights_name_the_directory(small_model: Path) -> None:
    config = json.loads((small_model / "config.json").read_text())
    (small_model / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 9}))
    with pytest.raises(ValueError, match=r"encoder\.layer\.2") as caught:
        encoder(small_model)
    assert str(small_model) in str(caught.value)


def blas_threads() -> list[int]:
    from threadpoolctl import threadpool_info

    return [entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"]


def test_product_threads_are_put_back_by_the_last_user() -> None:
    pytest.importorskip("threadpoolctl")
    before = blas_threads()
    with blas.single_threaded_products():
        with blas.single_threaded_products():
            assert set(blas_threads()) <= {1}
        assert set(blas_threads()) <= {1}
    assert blas_threads() == before
