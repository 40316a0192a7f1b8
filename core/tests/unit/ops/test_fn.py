"""``coco.fn``: functions with a memo, a pinned version and declared dependencies."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coco
from coco.errors import CallShapeError, DefinitionError
from coco.ops.identity import FunctionIdentity, describe_identity
from coco.ops.registry import registered_function

Identify = Callable[..., FunctionIdentity]

APP = """
import coco
import helpers

MODEL = "small"
TABLE = {"loud": helpers.loud}

@coco.fn(memo=True)
def f(text: str) -> str:
    return TABLE["loud"](text) + MODEL
"""
HELPERS = """
import coco

WEIGHT = 1

@coco.fn(version=1, deps=[WEIGHT])
def loud(text):
    return text.upper()

def quiet(text):
    return text.lower()
"""


def test_a_function_stays_what_it_is() -> None:
    @coco.fn
    def fn_twice(number: int) -> int:
        return number * 2

    @coco.fn(memo=True, version=3, max_batch_size=4, batching=True)
    async def fn_many(texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]

    assert fn_twice(4) == 8
    assert asyncio.run(fn_many(["a"])) == ["A"]
    plain, many = registered_function(fn_twice), registered_function(fn_many)
    assert plain is not None and many is not None
    assert (plain.kind, plain.op_args.cache, plain.op_args.behavior_version) == ("FnTwice", False, None)
    assert (many.op_args.cache, many.op_args.behavior_version, many.op_args.max_batch_size) == (True, 3, 4)
    assert many.is_async


def test_it_is_a_step_of_flows() -> None:
    @coco.fn(memo=True)
    def fn_shout(text: str, mark: str = "!") -> str:
        return text.upper() + mark

    @coco.transform_flow()
    def loud(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(fn_shout, mark="?")

    assert loud.eval("a") == "A?"


def test_annotations_are_needed_where_a_flow_uses_it(identity_of: Identify) -> None:
    @coco.fn(memo=True)
    def fn_bare(text):  # type: ignore[no-untyped-def]
        return text

    assert fn_bare(1) == 1  # type: ignore[no-untyped-call]
    with pytest.raises(DefinitionError, match=r"FnBare: .*annotation is expected for the return value"):
        identity_of(fn_bare)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"cache": True}, "'cache'; it is called 'memo'"),
        ({"behavior_version": 1}, "'behavior_version'; it is called 'version'"),
        ({"memoize": True}, "unknown option 'memoize'"),
        ({"memo": 1}, "cache must be a bool"),
        ({"version": "1"}, "behavior_version must be an int"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], pattern: str) -> None:
    with pytest.raises(CallShapeError, match=pattern):
        coco.fn(**options)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(CallShapeError, match="@fn takes a function, got int"):
        coco.fn(7)  # type: ignore[call-overload]


def test_it_is_identified_as_other_functions_are(project: Any) -> None:
    as_op = APP.replace("@coco.fn(memo=True)", "@coco.op.function(cache=True)")
    assert project.identity(flowcode=APP, helpers=HELPERS) == project.identity(flowcode=as_op)
    with_version = APP.replace("memo=True", "memo=True, version=2")
    as_op = APP.replace("@coco.fn(memo=True)", "@coco.op.function(cache=True, behavior_version=2)")
    assert project.identity(flowcode=with_version) == project.identity(flowcode=as_op)


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        pytest.param('MODEL = "small"', 'MODEL = "large"', True, id="constant"),
        pytest.param("text.upper()", "text.title()", False, id="body of a pinned helper"),
        pytest.param("version=1", "version=2", True, id="version of a pinned helper"),
        pytest.param("WEIGHT = 1", "WEIGHT = 2", True, id="dependency of a pinned helper"),
        pytest.param("text.lower()", "text.strip()", False, id="unused helper"),
    ],
)
def test_helpers_count_by_what_they_declare(project: Any, old: str, new: str, counts: bool) -> None:
    before = project.identity(flowcode=APP, helpers=HELPERS)
    after = project.identity(flowcode=APP.replace(old, new), helpers=HELPERS.replace(old, new))
    assert (after.code != before.code, after.memo != before.memo) == (counts, counts)


DEPENDENT = """
import dataclasses
import coco
import helpers

@dataclasses.dataclass
class Model:
    name: str
    revision: int

CHOSEN = Model("small", 1)

@coco.fn(OPTIONS, deps=DEPS)
def f(text: str) -> str:
    return getattr(helpers, "qui" + "et")(text)
"""


@pytest.mark.parametrize("options", ["memo=True", "version=1"])
@pytest.mark.parametrize(
    ("deps", "old", "new"),
    [
        ("helpers.quiet", "text.lower()", "text.strip()"),
        ("(CHOSEN, helpers.loud)", '"small", 1', '"small", 2'),
        ("(CHOSEN, helpers.loud)", "WEIGHT = 1", "WEIGHT = 2"),
        ("[{'model': 'tiny'}]", "tiny", "huge"),
        ("'tiny'", "tiny", "huge"),
    ],
)
def test_dependencies_count_with_and_without_a_version(
    project: Any, options: str, deps: str, old: str, new: str
) -> None:
    def identity(old: str = "", new: str = "") -> FunctionIdentity:
        code = DEPENDENT.replace("OPTIONS", options).replace("DEPS", deps)
        texts = [text.replace(old, new) if old else text for text in (code, HELPERS)]
        found: FunctionIdentity = project.identity(flowcode=texts[0], helpers=texts[1])
        return found

    before = identity()
    assert identity() == before
    assert identity("    return getattr", "    # by name\n    return getattr") == before
    assert identity(old, new).code != before.code


def test_no_dependencies_are_no_change(project: Any) -> None:
    code = DEPENDENT.replace("OPTIONS", "memo=True")
    before = project.identity(flowcode=code.replace(", deps=DEPS", ""), helpers=HELPERS)
    for nothing in ("()", "[]", "None"):
        assert project.identity(flowcode=code.replace("DEPS", nothing)) == before


def test_a_wrapper_is_not_what_it_wraps(project: Any) -> None:
    wrapping = """
    import functools
    import coco

    def wrap(function):
        @functools.wraps(function)
        def inner(text):
            return function(text) + "a"
        return inner

    @wrap
    @coco.fn(version=1)
    def pinned(text):
        return text.upper()

    @coco.fn()
    def f(text: str) -> str:
        return pinned(text)
    """
    before = project.identity(flowcode=wrapping)
    assert project.identity(flowcode=wrapping.replace("upper", "lower")) == before
    assert project.identity(flowcode=wrapping.replace('"a"', '"b"')).code != before.code


def test_values_without_identity_are_refused_with_advice(identity_of: Identify) -> None:
    with socket.socket() as opened:

        @coco.fn(deps=["small", opened])
        def fn_connected(text: str) -> str:
            return text

        with pytest.raises(
            DefinitionError, match=r"deps\[1\] of .*fn_connected.*socket.*name and a revision"
        ):
            identity_of(fn_connected)


def test_modules_count_by_the_version_of_their_package(identity_of: Identify) -> None:
    import click

    @coco.fn(deps=[click])
    def fn_clicks(text: str) -> str:
        return text

    @coco.fn(deps=[math])
    def fn_calculates(text: str) -> str:
        return text

    assert identity_of(fn_clicks)
    (form,) = describe_identity(fn_clicks)["dependencies"]
    assert form[0] == "package" and form[1]["click"]
    with pytest.raises(DefinitionError, match=r"is the module math, which no installed package provides"):
        identity_of(fn_calculates)


USES_PACKAGE = """
import coco
import helpers

@coco.fn(memo=True, deps="environment")
def f(text: str) -> str:
    return helpers.shorten(text)
"""
USES_HELPERS = {
    "attribute": """
import coco_test_lib

def shorten(text):
    return coco_test_lib.cut(text)
""",
    "name": """
from coco_test_lib import cut

def shorten(text):
    return cut(text)
""",
    "import inside": """
def shorten(text):
    from coco_test_lib.inner import cut
    return cut(text)
""",
    "instance": """
import coco_test_lib
CUTTER = coco_test_lib.Cutter()

def shorten(text):
    return CUTTER.cut(text)
""",
}


def install(folder: Path, version: str) -> None:
    """A package as pip would install it."""
    site = folder / "site-packages"
    package, info = site / "coco_test_lib", site / "coco_test_lib.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    info.mkdir(exist_ok=True)
    code = "class Cutter:\n    def cut(self, text):\n        return text[:2]\n\n\ncut = Cutter().cut\n"
    (package / "__init__.py").write_text(code)
    (package / "inner.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: coco-test-lib\nVersion: {version}\n")
    (info / "RECORD").write_text("coco_test_lib/__init__.py,,\n")


@pytest.mark.parametrize("way", USES_HELPERS)
def test_the_environment_counts_where_it_is_asked_for(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    project.names.add("coco_test_lib")
    install(tmp_path, "1.0")
    code = {"flowcode": USES_PACKAGE, "helpers": USES_HELPERS[way]}
    before = project.identity(**code)
    assert before.parts["package coco-test-lib"] == "1.0"
    assert project.identity(**code) == before
    indifferent = project.identity(flowcode=USES_PACKAGE.replace(', deps="environment"', ""))
    install(tmp_path, "1.1")
    after = project.identity(**code)
    assert after.parts["package coco-test-lib"] == "1.1"
    assert after.code != before.code and after.memo != before.memo
    assert project.identity(flowcode=USES_PACKAGE.replace(', deps="environment"', "")) == indifferent
    pinned = project.identity(flowcode=USES_PACKAGE.replace("memo=True", "version=1"))
    install(tmp_path, "1.2")
    assert project.identity(flowcode=USES_PACKAGE.replace("memo=True", "version=1")).code != pinned.code


def test_declared_dependencies_can_be_queried() -> None:
    @coco.fn(version=4, deps=["small", "environment"])
    def fn_asked(text: str) -> str:
        return text

    found = describe_identity(fn_asked)
    assert found["behavior_version"] == 4 and found["code"] == []
    assert found["dependencies"] == [["str", "'small'"]]
    assert "python" in found["packages"]
