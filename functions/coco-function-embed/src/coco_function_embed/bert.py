"""A BERT encoder in numpy, for inference only: token ids in, one unit vector per text out.

Texts are laid end to end instead of being padded to one length, so that hardly any work is done for padding
and the large products see all tokens at once. Only attention, which stays inside a text, is done per group
of texts of equal length.

In a matrix product, how a row is rounded depends on its place: the library works on blocks of rows, and on
the last few in another way. So each text starts a block, and blocks are always full: on the machines we
know a text gets the same bits alone as among others. That is an effort, not a promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

MAX_TOKENS = 4_096
"""Tokens worked on at a time by one thread: bounds the memory (about 100 MB for MiniLM)."""

_BLOCK = 12
_ROWS = 20 * _BLOCK
"""Tokens of the widest layer worked on at a time: few enough for its rows to stay in the cache."""


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Floats
    qkv_bias: Floats
    out: Floats
    out_bias: Floats
    out_norm: tuple[Floats, Floats]
    widen: Floats
    widen_bias: Floats
    narrow: Floats
    narrow_bias: Floats
    narrow_norm: tuple[Floats, Floats]


class BertEncoder:
    """Weights of one model, laid out for multiplication. Immutable, usable from many threads.

    config: the model's ``config.json``; weights: tensors by name. Raises ``ValueError`` if the model is not
    of the supported kind (BERT, absolute positions, exact GELU), ``KeyError`` if a tensor is missing.
    """

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]]) -> None:
        for name, expected in (
            ("model_type", "bert"),
            ("hidden_act", "gelu"),
            ("position_embedding_type", "absolute"),
        ):
            if config.get(name, expected) != expected:
                raise ValueError(f"expected {name} {expected!r}, got {config[name]!r}")
        self.width = int(config["hidden_size"])
        self._heads = int(config["num_attention_heads"])
        self._epsilon = np.float32(config["layer_norm_eps"])
        self._tokens = _floats(weights["embeddings.word_embeddings.weight"])
        # Every token here is of the first kind, so its vector is part of every position's.
        self._positions = _floats(weights["embeddings.position_embeddings.weight"]) + _floats(
            weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(weights, "embeddings.LayerNorm")
        self._layers = [
            _layer(weights, f"encoder.layer.{number}.", self.width // self._heads)
            for number in range(int(config["num_hidden_layers"]))
        ]

    @property
    def max_length(self) -> int:
        """Tokens in the longest text that the model has positions for."""
        return len(self._positions)

    def encode(
        self, texts: Sequence[Sequence[int]], pool: Executor | None = None, workers: int = 1
    ) -> Floats:
        """The mean of the last layer over the tokens of each text, scaled to length 1; rows in input order.

        texts: token ids, at least one each and ``max_length`` at most.
        pool: where to work on up to ``workers`` parts at a time; None: here.
        """
        result = np.empty((len(texts), self.width), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = list(_parts(order, texts, workers))

        def work(part: list[int]) -> None:
            result[part] = self._encode([texts[index] for index in part])

        if pool is None or len(parts) < 2:
            for part in parts:
                work(part)
        else:
            for _ in pool.map(work, parts):  # raises what a part raised
                pass
        return result

    def _encode(self, texts: Sequence[Sequence[int]]) -> Floats:
        lengths = [len(text) for text in texts]
        groups = list(_groups(lengths))
        rows = np.concatenate([group.rows() for group in groups])
        hidden = np.zeros((groups[-1].end, self.width), np.float32)
        hidden[rows] = self._tokens[np.concatenate([np.asarray(text, np.intp) for text in texts])]
        hidden[rows] += self._positions[np.concatenate([np.arange(length) for length in lengths])]
        self._normalise(hidden, self._norm)
        for layer in self._layers:
            attended = self._attend(hidden @ layer.qkv + layer.qkv_bias, groups)
            hidden += attended @ layer.out
            hidden += layer.out_bias
            self._normalise(hidden, layer.out_norm)
            self._feed_forward(hidden, layer)
            self._normalise(hidden, layer.narrow_norm)
        means = np.concatenate([group.of(hidden).mean(axis=1) for group in groups])
        means /= np.maximum(np.sqrt((means * means).sum(axis=1, keepdims=True)), np.float32(1e-12))
        return means

    def _attend(self, qkv: Floats, groups: Sequence[_Group]) -> Floats:
        """Rows of ``qkv``: query (scaled already), key and value of one token. Padding rows stay zero."""
        attended = np.zeros((len(qkv), self.width), np.float32)
        head = self.width // self._heads
        for group in groups:
            # (q, k or v; text, head, token, component)
            parts = (
                group.of(qkv)
                .reshape(group.count, group.length, 3, self._heads, head)
                .transpose(2, 0, 3, 1, 4)
            )
            weights = parts[0] @ parts[1].swapaxes(-1, -2)
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            mixed = (weights @ parts[2]).transpose(0, 2, 1, 3)
            group.of(attended)[:] = mixed.reshape(group.count, group.length, self.width)
        return attended

    def _feed_forward(self, hidden: Floats, layer: _Layer) -> None:
        for start in range(0, len(hidden), _ROWS):
            rows = hidden[start : start + _ROWS]
            wide = rows @ layer.widen
            wide += layer.widen_bias
            gelu(wide)
            rows += wide @ layer.narrow
            rows += layer.narrow_bias

    def _normalise(self, hidden: Floats, norm: tuple[Floats, Floats]) -> None:
        hidden -= hidden.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", hidden, hidden)[:, None] / np.float32(self.width)
        hidden /= np.sqrt(variance + self._epsilon)
        hidden *= norm[0]
        hidden += norm[1]


# The normal distribution function is (1 + tanh(x * P(x**2))) / 2 for a smooth P; these are its coefficients,
# fitted for the least largest error of x times it: 7e-8, below what 32 bits show.
_PHI = np.array(
    [
        0.797884216,
        0.0363342835,
        -3.31299571e-05,
        -5.52401695e-05,
        3.96911097e-06,
        -1.33446502e-07,
        1.80561846e-09,
    ],
    np.float32,
)
_PHI_LIMIT = np.float32(5.5)
_ONE = np.float32(1)
_ONE_HALF = np.float32(0.5)


def gelu(values: Floats) -> None:
    """``x * Phi(x)`` in place, to the accuracy of 32-bit numbers."""
    bounded = np.clip(values, -_PHI_LIMIT, _PHI_LIMIT)
    squares = bounded * bounded
    curve = squares * _PHI[-1]
    for coefficient in _PHI[-2:0:-1]:
        curve += coefficient
        curve *= squares
    curve += _PHI[0]
    curve *= bounded
    np.tanh(curve, out=curve)
    curve += _ONE
    curve *= _ONE_HALF
    values *= curve


def _parts(order: Sequence[int], texts: Sequence[Sequence[int]], workers: int) -> Iterator[list[int]]:
    """``order`` cut into pieces of bounded work, at least one per worker if there is enough to do."""
    total = sum(len(texts[index]) for index in order)
    limit = min(MAX_TOKENS, max(-(-total // workers), _ROWS))
    part: list[int] = []
    tokens = 0
    for index in order:
        if part and tokens + len(texts[index]) > limit:
            yield part
            part, tokens = [], 0
        part.append(index)
        tokens += len(texts[index])
    if part:
        yield part


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring texts of one length: where their rows are."""

    start: int
    count: int
    length: int

    @property
    def stride(self) -> int:
        return -(-self.length // _BLOCK) * _BLOCK

    @property
    def end(self) -> int:
        return self.start + self.count * self.stride

    def of(self, matrix: Floats) -> Floats:
        """(text, token, column) view of the group's rows, without padding."""
        return matrix[self.start : self.end].reshape(self.count, self.stride, -1)[:, : self.length]

    def rows(self) -> npt.NDArray[np.intp]:
        first = self.start + np.arange(self.count)[:, None] * self.stride
        return (first + np.arange(self.length)).ravel()


def _groups(lengths: Sequence[int]) -> Iterator[_Group]:
    start = 0
    for length, members in groupby(lengths):
        group = _Group(start, len(list(members)), length)
        yield group
        start = group.end


def _floats(tensor: npt.NDArray[Any]) -> Floats:
    return np.ascontiguousarray(tensor, np.float32)


def _norm(weights: Mapping[str, npt.NDArray[Any]], name: str) -> tuple[Floats, Floats]:
    return _floats(weights[f"{name}.weight"]), _floats(weights[f"{name}.bias"])


def _layer(weights: Mapping[str, npt.NDArray[Any]], prefix: str, head: int) -> _Layer:
    def dense(name: str) -> tuple[Floats, Floats]:
        return _floats(weights[f"{prefix}{name}.weight"].T), _floats(weights[f"{prefix}{name}.bias"])

    scale = np.float32(1 / np.sqrt(head))
    query, query_bias = dense("attention.self.query")
    key, key_bias = dense("attention.self.key")
    value, value_bias = dense("attention.self.value")
    return _Layer(
        np.hstack([query * scale, key, value]),
        np.concatenate([query_bias * scale, key_bias, value_bias]),
        *dense("attention.output.dense"),
        _norm(weights, f"{prefix}attention.output.LayerNorm"),
        *dense("intermediate.dense"),
        *dense("output.dense"),
        _norm(weights, f"{prefix}output.LayerNorm"),
    )
