"""Laws of code identity: formatting never counts, what is computed always does."""

import ast
import itertools
import linecache
import textwrap
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco import op
from coco.ops.function_record import ArgSchema
from coco.ops.identity import FunctionIdentity
from coco.ops.registry import registered_function
from coco.types.schema import BasicValueType, EnrichedValueType

STR = EnrichedValueType(BasicValueType("Str"))
_numbers = itertools.count()

words = st.sampled_from(["alpha", "beta", "gamma"])
numbers = st.integers(0, 9).map(str)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=5).map(repr)
atoms = st.one_of(words, numbers, texts, st.just("LIMIT"), st.just("text"))
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "and", "or", "==", "<"]), inner)
        .map(" ".join)
        .map("({})".format),
        inner.map("helper({})".format),
        inner.map("[{}]".format),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} if text else {pair[1]})"),
        inner.map("(lambda x: {})(text)".format),
        inner.map("[{} for x in text]".format),
        inner.map("{{'k': {}}}".format),
    ),
    max_leaves=5,
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A module with a function ``f``, a helper and a constant."""
    lines = [f"LIMIT = {draw(numbers)}", "def helper(value):", f"    return {draw(expressions)}"]
    lines += ["@op.function()", "def f(text: str, alpha: int = 1, beta: int = 2, gamma: int = 3) -> str:"]
    for name in draw(st.lists(words, max_size=3)):
        shape = draw(
            st.sampled_from(["{n} = {e}", "if {e}:\n    {n} = 1", "for {n} in {e}:\n    pass", "assert {e}"])
        )
        lines.append(textwrap.indent(shape.format(n=name, e=draw(expressions)), "    "))
    lines.append(f"    return {draw(expressions)}")
    return "\n".join(lines) + "\n"


def identity(source: str, *, with_source: bool = True) -> FunctionIdentity:
    filename = f"<law {next(_numbers)}>"
    if with_source:
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names: dict[str, Any] = {"__name__": "__main__", "op": op}
    try:
        exec(compile(source, filename, "exec"), names)
        record = registered_function(names["f"])
        assert record is not None
        return record.bind(None, [(ArgSchema(STR), None)]).identity
    finally:
        linecache.cache.pop(filename, None)


@given(programs(), st.data())
def test_formatting_comments_and_docstrings_do_not_count(source: str, data: st.DataObject) -> None:
    before = identity(source)
    lines = ast.unparse(ast.parse(source)).splitlines()
    for _ in range(3):
        place = data.draw(st.integers(0, len(lines)))
        lines.insert(place, data.draw(st.sampled_from(["", "# a remark", "        # indented"])))
    assert identity("\n".join(lines) + "\n") == before
    documented = []
    for line in source.splitlines():
        documented.append(line)
        if line.startswith("def "):
            documented.append('    """What it is for."""')
    assert identity("\n".join(documented) + "\n") == before


@given(programs(), programs())
def test_code_with_another_syntax_tree_has_another_identity(one: str, other: str) -> None:
    same = ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    if same:
        assert identity(one) == identity(other)
        return
    used = _reachable(one), _reachable(other)
    assert (identity(one).code == identity(other).code) is (used[0] == used[1])


def _reachable(source: str) -> Any:
    """The trees of ``f`` and of what it uses of the other two."""
    constant, helper, function = ast.parse(source).body
    found = {"f": function}
    names = {item.id for item in ast.walk(function) if isinstance(item, ast.Name)}
    if "helper" in names:
        found["helper"] = helper
        names |= {item.id for item in ast.walk(helper) if isinstance(item, ast.Name)}
    if "LIMIT" in names:
        found["LIMIT"] = constant
    return {name: ast.dump(node) for name, node in found.items()}


@given(programs())
def test_without_source_docstrings_and_lines_do_not_count_either(source: str) -> None:
    before = identity(source, with_source=False)
    assert identity("\n# a remark\n\n" + source, with_source=False) == before
    documented = source.replace("gamma: int = 3) -> str:", 'gamma: int = 3) -> str:\n    """What for."""')
    assert identity(documented, with_source=False) == before


@settings(max_examples=examples(50))
@given(programs(), st.integers(0, 5))
def test_a_version_pins_all_of_it(source: str, version: int) -> None:
    pinned = source.replace("@op.function()", f"@op.function(behavior_version={version})")
    head = (
        "@op.function(behavior_version=%d)\n"
        "def f(text: str, alpha: int = 1, beta: int = 2, gamma: int = 3) -> str:\n    return text\n"
    )
    assert identity(pinned) == identity(head % version)
    assert identity(pinned).code != identity(head % (version + 1)).code
