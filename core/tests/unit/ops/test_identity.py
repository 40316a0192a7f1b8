"""Identity of code (docs/decisions/0003)."""

import io
import linecache
import sys
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from coco import op
from coco.errors import DefinitionError
from coco.ops.identity import FunctionIdentity, describe_identity

Identify = Callable[..., FunctionIdentity]

PLAIN = """
    from coco import op

    LIMIT = 3

    def helper(text: str) -> str:
        return text.strip()

    @op.function()
    def f(text: str, times: int = 2) -> str:
        value = helper(text)[:LIMIT]
        return value * times
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("LIMIT = 3", "LIMIT = 3  # as agreed", id="comment"),
        pytest.param("    value = helper", "\n        # cut it\n        value = helper", id="comment line"),
        pytest.param("[:LIMIT]", "[ : LIMIT ]", id="spaces"),
        pytest.param(
            "helper(text)[:LIMIT]", "(helper(\n            text\n        )[:LIMIT])", id="line breaks"
        ),
        pytest.param("    value = ", '    """Say what it does."""\n        value = ', id="docstring added"),
        pytest.param("text.strip()", '"a" and text.strip()', id="control"),
        pytest.param("def helper(text: str) -> str:", "def helper(text):", id="annotations of a helper"),
        pytest.param("LIMIT = 3", "OTHER = 5\n    LIMIT = 3", id="unused constant"),
        pytest.param("LIMIT = 3", "def unused():\n        return 1\n\n    LIMIT = 3", id="unused function"),
        pytest.param("@op.function()", "@op.function(cache=True, behavior_version=None)", id="options"),
    ],
)
def test_what_changes_nothing(project: Any, old: str, new: str, request: pytest.FixtureRequest) -> None:
    before = project.identity(flowcode=PLAIN)
    edited = PLAIN.replace(old, new)
    assert edited != PLAIN
    after = project.identity(flowcode=edited)
    control = request.node.callspec.id == "control"  # the one edit here that must be seen
    assert (after == before) is not control


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("value * times", "value * times * 1", id="body"),
        pytest.param("LIMIT = 3", "LIMIT = 4", id="module constant"),
        pytest.param("times: int = 2", "times: int = 3", id="default"),
        pytest.param("text.strip()", "text.lstrip()", id="helper"),
    ],
)
def test_what_changes_identity(project: Any, old: str, new: str) -> None:
    before = project.identity(flowcode=PLAIN)
    edited = PLAIN.replace(old, new)
    after = project.identity(flowcode=edited)
    assert after.code != before.code
    assert after.memo != before.memo


def test_helper_in_another_module_of_the_project(project: Any) -> None:
    """Directly, through a package, through a module's attribute, and by an import inside the function."""
    for use in (
        "from parts.cleaning import clean\n@op.function()\ndef f(text: str) -> str:\n    return clean(text)\n",
        "import parts.cleaning\n@op.function()\ndef f(text: str) -> str:\n    return parts.cleaning.clean(text)\n",
        "from parts import cleaning\n@op.function()\ndef f(text: str) -> str:\n    return cleaning.clean(text)\n",
        "@op.function()\ndef f(text: str) -> str:\n    from parts.cleaning import clean\n    return clean(text)\n",
        "@op.function()\ndef f(text: str) -> str:\n    import parts.cleaning as c\n    return c.clean(text)\n",
    ):
        code = "from coco import op\n" + use
        cleaning = "from parts.deeper import cut\ndef clean(text): return cut(text.strip())\n"
        deeper = "def cut(text): return text[:3]\ndef other(): return 1\n"
        common = {"flowcode": code, "parts__cleaning": cleaning}
        before = project.identity(**common, parts__deeper=deeper)
        assert project.identity(**common, parts__deeper=deeper.replace("return 1", "return 2")) == before
        assert project.identity(**common, parts__deeper=deeper.replace(":3", ":4")).code != before.code


def test_a_module_function_named_like_a_method_of_containers_counts(project: Any) -> None:
    """``tools.update(...)`` is a call, not a change of a container named ``tools``."""
    code = "import tools\nfrom coco import op\n@op.function()\ndef f(text: str) -> str:\n    return tools.update(text)\n"
    before = project.identity(flowcode=code, tools="def update(text): return text[:3]\n")
    assert project.identity(flowcode=code, tools="def update(text): return text[:4]\n").code != before.code


def test_moving_code_changes_the_memo_key_only(project: Any, identity_of: Identify) -> None:
    """Rows are not processed again because a function moved."""
    before = project.identity(flowcode=PLAIN)
    project.load(flowcode="from elsewhere import f\n", elsewhere=PLAIN)
    after = identity_of(sys.modules["flowcode"].f)
    assert after.code == before.code
    assert after.memo != before.memo


EXECUTOR = """
    from coco import op
    from coco.typing import Vector

    SIZE = 3

    def helper(text): return text[:SIZE]

    class Work(op.FunctionSpec):
        mode: str = "a"

        def prefix(self): return self.mode + "-"

    @op.executor_class()
    class WorkExecutor:
        spec: Work
        model: object = None

        def analyze(self) -> type:
            return str

        def prepare(self):
            self.model = "loaded"

        def extra(self):
            return "x"

        def __call__(self, text: str) -> str:
            return self.spec.prefix() + helper(text) + self.extra()
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("return str", "return (str)", False),
        ("return str", "return [str][0]", True),
        ('"loaded"', '"other"', True),
        ('return "x"', 'return "y"', True),
        ("self.spec.prefix() + ", "", True),
        ('self.mode + "-"', 'self.mode + "+"', True),
        ("text[:SIZE]", "text[SIZE:]", True),
        ("SIZE = 3", "SIZE = 4", True),
        ("def prepare(self):", "def prepare(self):\n            # heavy\n", False),
        ("model: object = None", "model: int = None", False),
    ],
)
def test_executor_class(project: Any, old: str, new: str, counts: bool) -> None:
    """analyze, prepare, call, other methods, methods of the spec, helpers."""
    before = project.identity(spec="Work()", flowcode=EXECUTOR)
    assert old in EXECUTOR
    after = project.identity(spec="Work()", flowcode=EXECUTOR.replace(old, new))
    assert (after.code != before.code) is counts


def test_the_spec_counts(project: Any) -> None:
    assert project.identity(spec="Work('a')", flowcode=EXECUTOR) == project.identity(
        spec="Work()", flowcode=EXECUTOR
    )
    assert (
        project.identity(spec="Work('b')", flowcode=EXECUTOR).code
        != project.identity(spec="Work()", flowcode=EXECUTOR).code
    )


def test_behavior_version_pins(project: Any) -> None:
    """With a version code does not count; another version does, also a lower one."""
    pinned = PLAIN.replace("@op.function()", "@op.function(behavior_version=2)")
    before = project.identity(flowcode=pinned)
    assert project.identity(flowcode=pinned.replace("value * times", "value")) == before
    for version in (1, 3):
        other = project.identity(flowcode=pinned.replace("=2)", f"={version})"))
        assert other.code != before.code
    assert project.identity(flowcode=PLAIN).code != before.code


def test_options_of_one_step_do_not_count(project: Any, identity_of: Identify) -> None:
    """Neither time-outs, nor caching, nor where it runs."""
    import datetime

    module = project.load(flowcode=PLAIN)
    plain = identity_of(module.f)
    assert identity_of(module.f, timeout=datetime.timedelta(seconds=1), cache=True, gpu=True) == plain


def test_a_changed_default_counts_although_code_is_pinned(project: Any) -> None:
    """The values of defaulted parameters are part of the memo key."""
    pinned = PLAIN.replace("@op.function()", "@op.function(behavior_version=2)")
    before = project.identity(flowcode=pinned)
    after = project.identity(flowcode=pinned.replace("times: int = 2", "times: int = 3"))
    assert after.code == before.code
    assert after.memo != before.memo


def test_extra_identity_of_an_executor(project: Any) -> None:
    """The revision of a model, say."""
    extended = EXECUTOR + (
        "\n        @staticmethod\n        def extra_identity(spec): return REVISION\n\n    REVISION = 'r1'\n"
    )
    pinned = extended.replace("@op.executor_class()", "@op.executor_class(behavior_version=1)")
    before = project.identity(spec="Work()", flowcode=pinned)
    assert project.identity(spec="Work()", flowcode=pinned.replace("'r1'", "'r2'")).code != before.code


STATEFUL = """
    from coco import op

    SEEN = {}
    COUNT = 0

    @op.function()
    def f(text: str) -> str:
        global COUNT
        COUNT += 1
        SEEN[text] = COUNT
        SEEN.setdefault(text, 1)
        return text
"""


def test_state_that_a_function_keeps_does_not_count(project: Any, identity_of: Identify) -> None:
    """A cache that fills itself must not make the identity depend on the time of day."""
    module = project.load(flowcode=STATEFUL)
    before = identity_of(module.f)
    module.f("a")
    assert module.COUNT == 1
    assert identity_of(module.f) == before


def test_a_shared_object_that_counts_its_calls(project: Any, identity_of: Identify) -> None:
    module = project.load(
        flowcode="""
        from coco import op

        class Counter:
            def __init__(self):
                self.calls = 0
                self.seen = []
            def note(self, text):
                self.calls += 1
                self.seen.append(text)
                return text

        COUNTER = Counter()

        @op.function()
        def f(text: str) -> str:
            return COUNTER.note(text)
        """
    )
    before = identity_of(module.f)
    module.f("a")
    assert identity_of(module.f) == before


def test_a_closure_value_without_identity_is_refused_with_advice(identity_of: Identify) -> None:
    """Never silently ignored."""
    socket: Any = io.BytesIO()

    @op.function()
    def uses_it(text: str) -> str:
        return text + str(socket)

    with pytest.raises(DefinitionError, match=r"'socket'.*no stable identity.*behavior_version="):
        identity_of(uses_it)
    assert identity_of(uses_it, behavior_version=1)


def test_code_without_source_has_an_identity(identity_of: Identify) -> None:
    """Functions made by exec or at a prompt: by bytecode, without docstring and line numbers."""

    def made(text: str) -> FunctionIdentity:
        names: dict[str, Any] = {"__name__": "__main__", "op": op}
        exec(dedent(text), names)
        return identity_of(names["f"])

    plain = "@op.function()\ndef f(text: str) -> str:\n    return text[:3]\n"
    before = made(plain)
    assert made("\n\n# moved down\n" + plain) == before
    assert made(plain.replace("    return", '    """Cut."""\n    return')) == before
    assert made(plain.replace("3", "4")).code != before.code
    helper = "def helper(text):\n    return text[:3]\n@op.function()\ndef f(text: str) -> str:\n    return helper(text)\n"
    assert made(helper.replace("3", "4")).code != made(helper).code


def test_an_edit_while_running_is_not_mistaken_for_the_running_code(
    project: Any, identity_of: Identify
) -> None:
    """What runs counts, not what the file says now; lines that moved do no harm."""
    module = project.load(flowcode=PLAIN)
    before = identity_of(module.f)
    path = project.folder / "flowcode.py"
    path.write_text("# a new first line\n" + dedent(PLAIN))
    linecache.clearcache()
    assert identity_of(module.f) == before
    path.write_text(dedent(PLAIN).replace("value * times", "value"))
    linecache.clearcache()
    moved_on = identity_of(module.f)
    assert moved_on.code != project.identity(flowcode=PLAIN.replace("value * times", "value")).code


def test_a_redefinition_in_a_notebook(project: Any, identity_of: Identify) -> None:
    """The same cell run again keeps its identity, an edited one does not."""

    def cell(text: str, number: int) -> Any:
        filename = f"<ipython-input-{number}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        names: dict[str, Any] = {"__name__": "__main__", "op": op}
        exec(compile(text, filename, "exec"), names)
        return names["f"]

    text = "@op.function()\ndef f(text: str) -> str:\n    return text[:3]\n"
    first = identity_of(cell(text, 1))
    assert identity_of(cell("# again\n" + text, 2)) == first
    assert identity_of(cell(text.replace("3", "4"), 3)).code != first.code


def test_the_parts_tell_what_changed(project: Any) -> None:
    """For ``coco plan``: the helper's part differs, the function's own does not."""
    before = project.identity(flowcode=PLAIN)
    after = project.identity(flowcode=PLAIN.replace("text.strip()", "text.lower()"))
    differing = {name for name in before.parts if before.parts[name] != after.parts.get(name)}
    assert differing == {"code flowcode.helper"}


def test_the_parts_of_an_identity_can_be_queried(project: Any) -> None:
    module = project.load(
        flowcode=PLAIN.replace("text.strip()", "json.dumps(text)").replace(
            "LIMIT =", "import json\n    LIMIT ="
        )
    )
    described = describe_identity(module.f)
    assert described["code"] == ["flowcode.f", "flowcode.helper"]
    assert described["constants"] == {"LIMIT": ["int", "3"]}
    assert described["by_name"] == ["json.dumps"]


def test_identity_is_equal_in_another_process(project: Any) -> None:
    """Stable across processes, whatever the hash seed."""
    import subprocess

    text = PLAIN.replace("LIMIT = 3", "LIMIT = len({'a', 'b', 'c'})\n    WORDS = {'x', 'y', 'z'}").replace(
        "value = ", "value = (text in WORDS and '') or "
    )
    here = project.identity(flowcode=text)
    program = (
        "import flowcode\n"
        "from coco.ops.function_record import ArgSchema\n"
        "from coco.ops.registry import registered_function\n"
        "from coco.types.schema import BasicValueType, EnrichedValueType\n"
        "type_ = EnrichedValueType(BasicValueType('Str'))\n"
        "print(registered_function(flowcode.f).bind(None, [(ArgSchema(type_), None)]).identity.memo.hex())\n"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": str(project.folder)},
            timeout=120,
            check=True,
        )
        assert done.stdout.strip() == here.memo.hex()
