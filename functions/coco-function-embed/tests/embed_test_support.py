"""A sentence model small enough to make for a test, with every file that a real one has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]

WIDTH, HEADS, LAYERS, INNER, POSITIONS = 24, 3, 2, 40, 64
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##d", "long", "text", "."]


def random_weights(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)

    def tensor(*shape: int) -> Any:
        return random.normal(scale=0.3, size=shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": tensor(len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": tensor(POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": tensor(2, WIDTH),
        "embeddings.LayerNorm.weight": 1 + tensor(WIDTH),
        "embeddings.LayerNorm.bias": tensor(WIDTH),
    }
    for layer in range(LAYERS):
        start = f"encoder.layer.{layer}."
        for name, rows, columns in (
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ):
            weights[f"{start}{name}.weight"] = tensor(rows, columns)
            weights[f"{start}{name}.bias"] = tensor(rows)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"{start}{name}.weight"] = 1 + tensor(WIDTH)
            weights[f"{start}{name}.bias"] = tensor(WIDTH)
    return weights


CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "intermediate_size": INNER,
    "max_position_embeddings": POSITIONS,
    "layer_norm_eps": 1e-12,
}


def write_model(directory: Path, seed: int = 0) -> Path:
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    directory.mkdir(parents=True, exist_ok=True)
    save_file(random_weights(seed), directory / "model.safetensors")
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(8)  # as in the real file: settings that must not be used
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(directory / "tokenizer.json"))
    files = {
        "config.json": CONFIG,
        "sentence_bert_config.json": {"max_seq_length": 32},
        "1_Pooling/config.json": {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
        "modules.json": [
            {"type": f"sentence_transformers.models.{n}"} for n in ("Transformer", "Pooling", "Normalize")
        ],
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    return directory


def textbook(config: Mapping[str, Any], weights: Mapping[str, Any], ids: list[int]) -> Doubles:
    """A BERT encoder as it is explained: one text, 64 bits, no shortcuts."""

    def get(name: str) -> Doubles:
        return np.asarray(weights[name], np.float64)

    def dense(x: Doubles, name: str) -> Doubles:
        return x @ get(name + ".weight").T + get(name + ".bias")

    def norm(x: Doubles, name: str) -> Doubles:
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + config["layer_norm_eps"])
        return scaled * get(name + ".weight") + get(name + ".bias")

    x = get("embeddings.word_embeddings.weight")[ids] + get("embeddings.token_type_embeddings.weight")[0]
    x = norm(x + get("embeddings.position_embeddings.weight")[: len(ids)], "embeddings.LayerNorm")
    heads = config["num_attention_heads"]
    size = config["hidden_size"] // heads
    erf = np.vectorize(math.erf)
    for layer in range(config["num_hidden_layers"]):
        start = f"encoder.layer.{layer}."
        query, key, value = (dense(x, f"{start}attention.self.{name}") for name in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(size))
            mixed[:, part] = scores / scores.sum(1, keepdims=True) @ value[:, part]
        x = norm(x + dense(mixed, start + "attention.output.dense"), start + "attention.output.LayerNorm")
        inner = dense(x, start + "intermediate.dense")
        inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, start + "output.dense"), start + "output.LayerNorm")
    mean = x.mean(0)
    return np.asarray(mean / np.sqrt((mean**2).sum()), np.float64)
