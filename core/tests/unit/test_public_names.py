"""The names at the root of the package: one table, and what type checkers see, in agreement."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

import coco


def blocks_for_type_checkers() -> list[ast.If]:
    """The names first, then the modules."""
    tree = ast.parse(Path(coco.__file__).read_text())
    return [node for node in tree.body if isinstance(node, ast.If)]


def names_for_type_checkers() -> dict[str, str]:
    block = blocks_for_type_checkers()[0]
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "a re-export says `as` and its own name"
            found[alias.name] = str(node.module)
    return found


def test_table_equals_what_type_checkers_see() -> None:
    assert {name: f"coco.{module}" for name, module in coco._WHERE.items()} == names_for_type_checkers()


def test_type_checkers_see_the_modules() -> None:
    imports = [node for node in blocks_for_type_checkers()[1].body if isinstance(node, ast.ImportFrom)]
    seen = {(alias.name, alias.asname) for node in imports for alias in node.names}
    # `coco.cli` is the program: users import it by its own name.
    modules = {(name, name) for name in coco._MODULES - {"cli"}}
    assert seen == modules | {("targets", "storages")}


@pytest.mark.parametrize("module", sorted(coco._NAMES))
def test_modules_have_the_names(module: str) -> None:
    if importlib.util.find_spec(f"coco.{module}") is None:
        pytest.skip(f"coco.{module} is not there yet")
    loaded = importlib.import_module(f"coco.{module}")
    assert [name for name in coco._NAMES[module] if not hasattr(loaded, name)] == []
    for name in coco._NAMES[module]:
        assert getattr(coco, name) is getattr(loaded, name)


def test_used_as_cocoindex() -> None:
    import coco as cocoindex

    assert cocoindex.index.VectorSimilarityMetric is cocoindex.VectorSimilarityMetric
    assert cocoindex.auth_registry.__name__ == "coco.auth_registry"


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'coco' has no attribute 'flow_deff'"):
        _ = coco.flow_deff
    assert not hasattr(coco, "flow_deff")


def test_dir_and_version() -> None:
    assert {"flow_def", "targets", "op", "__version__"} <= set(dir(coco))
    assert set(coco.__all__) <= set(dir(coco))
    assert coco.__version__.split(".")[0].isdigit()


V0 = """AuthEntryReference DataScope DataSlice DatabaseConnectionSpec EvaluateAndDumpOptions Float32 Float64 Flow FlowBuilder
FlowLiveUpdater FlowLiveUpdaterOptions FlowUpdaterStatusUpdates FtsIndexDef GeneratedField GlobalExecutionOptions
HnswVectorIndexMethod IndexOptions Int64 IvfFlatVectorIndexMethod Json LocalDateTime OffsetDateTime QueryHandlerResultFields
QueryInfo QueryOutput Range ServerSettings Settings Vector VectorIndexDef VectorSimilarityMetric add_auth_entry add_flow_def
add_transient_auth_entry cli drop_all_flows flow_def functions get_app_namespace init op open_flow ref_auth_entry remove_flow
settings setup_all_flows sources stop storages targets transform_flow update_all_flows_async utils"""
"""What CocoIndex 0.3.39 has at its root, without its server, its language models, and names that begin with _."""


@pytest.mark.parametrize("name", V0.split())
def test_names_of_v0(name: str) -> None:
    assert getattr(coco, name) is not None


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("flow", "ensure_all_flows_built ensure_all_flows_built_async get_flow_full_name update_all_flows"),
        ("setup", "SetupChangeBundle flow_names_with_setup flow_names_with_setup_async"),
        ("validation", "NamingError validate_identifier_name validate_field_name validate_full_flow_name"),
        ("engine_object", "dump_engine_object load_engine_object plain_data"),
        ("auth_registry", "TransientAuthEntryReference get_auth_entry"),
        ("utils", "get_target_default_name"),
    ],
)
def test_names_in_modules(module: str, names: str) -> None:
    loaded = getattr(coco, module)
    assert [name for name in names.split() if not hasattr(loaded, name)] == []
