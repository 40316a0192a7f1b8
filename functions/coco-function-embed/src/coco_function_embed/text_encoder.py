"""From texts to vectors with a loaded model: tokenizer, encoder and the threads they use."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from coco_function_embed.blas import single_threaded_products
from coco_function_embed.model_files import TOKENIZER, WEIGHTS, ModelFiles

if TYPE_CHECKING:
    from coco_function_embed.bert import Floats

MAX_WORKERS = 8
"""More threads than this gain nothing for batches of the usual size."""

KEPT = 2
"""Loaded models that stay in memory after use: a query in a while must not load its model again."""

_loaded: dict[str, TextEncoder] = {}
_loading = threading.Lock()


def load_encoder(files: ModelFiles) -> TextEncoder:
    """The model in memory, one copy per process; the ``KEPT`` latest are kept.

    Raises ``ValueError`` naming the directory if the files do not make a model of the supported kind.
    """
    name = f"{files.directory}:{files.revision}"
    with _loading:
        encoder = _loaded.get(name)
        if encoder is None:
            encoder = _loaded[name] = TextEncoder(files)
            while len(_loaded) > KEPT:
                del _loaded[next(iter(_loaded))]
        return encoder


class TextEncoder:
    """A loaded model. Usable from many threads at once."""

    def __init__(self, files: ModelFiles) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        from coco_function_embed.bert import BertEncoder

        try:
            self._bert = BertEncoder(files.config, load_file(files.directory / WEIGHTS))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{files.directory} holds no model that can be run here: {error}") from error
        self._tokenizer: Any = Tokenizer.from_file(str(files.directory / TOKENIZER))
        # The file has settings of its own for both, made for another use.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.enable_truncation(min(files.max_tokens, self._bert.max_length))
        self._workers = min(os.cpu_count() or 1, MAX_WORKERS)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="coco-embed")
        weakref.finalize(self, self._pool.shutdown, wait=False)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids, start and end marks included, cut to the model's length."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector per text, in order."""
        with single_threaded_products():
            return self._bert.encode(self.tokens(texts), self._pool, self._workers)
