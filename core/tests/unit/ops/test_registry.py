"""The registry: what replaces what, what clashes, what is ambiguous."""

import sys
from pathlib import Path
from typing import Any

import pytest

import coco
from coco import op
from coco.errors import DefinitionError, UnknownNameError
from coco.ops.registry import OpRegistry, registry


def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> list[Any]:
    """Modules of a project, imported."""
    import importlib

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return [importlib.import_module(name) for name in texts]


CLEAN = (
    "from coco import op\n@op.function()\ndef registry_clean(text: str) -> str:\n    return text + {mark!r}\n"
)


def test_functions_of_one_name_can_coexist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Used as objects they are what they are; only their name is ambiguous."""
    one, two = modules(
        tmp_path, monkeypatch, registry_one=CLEAN.format(mark="1"), registry_two=CLEAN.format(mark="2")
    )

    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(one.registry_clean).transform(two.registry_clean)

    assert flow.eval("a") == "a12"
    with pytest.raises(
        DefinitionError, match=r"ambiguous.*registry_one\.registry_clean.*registry_two\.registry_clean"
    ):
        registry.get(op.OpCategory.FUNCTION, "RegistryClean")


def test_a_reloaded_function_replaces_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow built before keeps what it had."""
    import importlib

    (module,) = modules(
        tmp_path, monkeypatch, registry_reload=CLEAN.replace("clean", "again").format(mark="1")
    )

    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(module.registry_again)

    assert flow.eval("a") == "a1"
    (tmp_path / "registry_reload.py").write_text(CLEAN.replace("clean", "again").format(mark="22"))
    importlib.reload(module)
    assert registry.get(op.OpCategory.FUNCTION, "RegistryAgain").target is module.registry_again
    assert flow.eval("a") == "a1"


SPEC = """
from coco import op

class RegistryWork(op.FunctionSpec):
    pass

@op.executor_class()
class Executor:
    spec: RegistryWork
    def __call__(self, text: str) -> str:
        return text
"""


def test_specs_of_one_name_clash_with_both_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are known by name, in stored state too."""
    modules(tmp_path, monkeypatch, registry_spec_one=SPEC)
    with pytest.raises(
        DefinitionError,
        match=r"'RegistryWork' is defined twice: by registry_spec_one\.Executor and by registry_spec_two\.Executor",
    ):
        modules(tmp_path, monkeypatch, registry_spec_two=SPEC)
    assert registry.get(op.OpCategory.FUNCTION, "RegistryWork").origin.module == "registry_spec_one"


def test_a_spec_wins_over_functions_of_its_name() -> None:
    class LocalNamed(op.FunctionSpec):
        pass

    @op.executor_class()
    class LocalNamedExecutor:
        spec: LocalNamed

        def __call__(self, text: str) -> str:
            return text

    @op.function()
    def local_named(text: str) -> str:
        return text

    assert registry.get(op.OpCategory.FUNCTION, "LocalNamed").target is LocalNamedExecutor


def test_a_definition_inside_a_function_replaces_the_one_before() -> None:
    """Tests and factories define the same thing again and again."""

    def make() -> type[op.FunctionSpec]:
        class MadeAgain(op.FunctionSpec):
            pass

        @op.executor_class()
        class Executor:
            spec: MadeAgain

            def __call__(self, text: str) -> str:
                return text

        return MadeAgain

    make()
    second = make()
    assert registry.get(op.OpCategory.FUNCTION, "MadeAgain").spec_cls is second


def test_a_miss_asks_the_resolver_once() -> None:
    """Plugins are imported at first use."""
    empty = OpRegistry()
    asked: list[tuple[op.OpCategory, str]] = []

    def resolve(category: op.OpCategory, kind: str) -> bool:
        asked.append((category, kind))
        return False

    empty.set_resolver(resolve)
    with pytest.raises(
        UnknownNameError, match="no function named 'Nothing' is registered; import its module or"
    ):
        empty.get(op.OpCategory.FUNCTION, "Nothing")
    assert asked == [(op.OpCategory.FUNCTION, "Nothing")]
    assert empty.records() == []
