"""Identity of code (DESIGN principle 4, A-02, A-26, X-011, X-012; docs/decisions/0003)."""

import importlib
import importlib.util
import io
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from coco import op
from coco.errors import DefinitionError
from coco.ops.function_record import ArgSchema
from coco.ops.identity import FunctionIdentity, describe_identity
from coco.ops.registry import registered_function, registry
from coco.spec import OpCategory
from coco.types.schema import BasicValueType, EnrichedValueType

STR = EnrichedValueType(BasicValueType("Str"))
Identify = Callable[..., FunctionIdentity]


def identity_of(function: Any, spec: Any = None, **op_args: Any) -> FunctionIdentity:
    """Identity of one use with one text argument."""
    record = registered_function(function)
    if record is None:
        record = registry.get(OpCategory.FUNCTION, type(spec).__name__)
    return record.bind(spec, [(ArgSchema(STR), None)], op_args or None).identity


class Project:
    """Modules on disk that can be edited and loaded again, as a new process would see them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def load(self, **modules: str) -> ModuleType:
        """Write the modules (``a__b`` stands for a.b) and import ``flowcode`` afresh."""
        for name, text in modules.items():
            path = self.folder.joinpath(*name.split("__")).with_suffix(
                ".py"
            )  # no __init__: it may do without
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text))
            self.names.add(name.split("__")[0])
        self.forget()
        importlib.invalidate_caches()
        linecache.clearcache()
        sys.dont_write_bytecode = True
        return importlib.import_module("flowcode")

    def forget(self) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in self.names:
                del sys.modules[name]

    def identity(self, *, spec: str | None = None, **modules: str) -> FunctionIdentity:
        """Identity of ``f``, or of the operation with the spec ``spec``, an expression."""
        module = self.load(**modules)
        if spec is not None:
            return identity_of(None, eval(spec, vars(module)))
        return identity_of(module.f)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(tmp_path)
    yield made
    made.forget()


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
def test_what_changes_nothing(project: Project, old: str, new: str, request: pytest.FixtureRequest) -> None:
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
def test_what_changes_identity(project: Project, old: str, new: str) -> None:
    before = project.identity(flowcode=PLAIN)
    edited = PLAIN.replace(old, new)
    after = project.identity(flowcode=edited)
    assert after.code != before.code
    assert after.memo != before.memo


CASES = {
    "indirect helper": (
        """
        from coco import op

        def deep(text): return text.strip()
        def middle(text): return deep(text)

        @op.function()
        def f(text: str) -> str:
            return middle(text)
        """,
        ("text.strip()", "text.rstrip()"),
    ),
    "keyword default": (
        """
        from coco import op

        @op.function()
        def f(text: str, *, mark: str = "a") -> str:
            return text + mark
        """,
        ('"a"', '"b"'),
    ),
    "default from a constant": (
        """
        from coco import op
        MARK = "a"

        @op.function()
        def f(text: str, mark: str = MARK) -> str:
            return text + mark
        """,
        ('"a"', '"b"'),
    ),
    "closure value": (
        """
        from coco import op

        def make(mark):
            @op.function()
            def f(text: str) -> str:
                return text + mark
            return f

        f = make("a")
        """,
        ('make("a")', 'make("b")'),
    ),
    "closure function": (
        """
        from coco import op

        def make(clean):
            @op.function()
            def f(text: str) -> str:
                return clean(text)
            return f

        f = make(lambda text: text.strip())
        """,
        ("text.strip()", "text.lower()"),
    ),
    "method of a class": (
        """
        from coco import op

        class Cleaner:
            def clean(self, text): return self.cut(text)
            def cut(self, text): return text[:3]

        @op.function()
        def f(text: str) -> str:
            return Cleaner().clean(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "base class": (
        """
        from coco import op

        class Base:
            def clean(self, text): return text[:3]

        class Cleaner(Base):
            pass

        @op.function()
        def f(text: str) -> str:
            return Cleaner().clean(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "static method and property": (
        """
        from coco import op

        class Cleaner:
            @property
            def size(self): return 3
            @staticmethod
            def clean(text): return text[:Cleaner().size]

        @op.function()
        def f(text: str) -> str:
            return Cleaner.clean(text)
        """,
        ("return 3", "return 4"),
    ),
    "class attribute": (
        """
        from coco import op

        class Cleaner:
            size = 3
            def clean(self, text): return text[:self.size]

        @op.function()
        def f(text: str) -> str:
            return Cleaner().clean(text)
        """,
        ("size = 3", "size = 4"),
    ),
    "method of a shared object": (
        """
        from coco import op

        class Cleaner:
            def remove(self, text): return text[:3]

        CLEANER = Cleaner()

        @op.function()
        def f(text: str) -> str:
            return CLEANER.remove(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "attribute of a shared object": (
        """
        from coco import op

        class Cleaner:
            def __init__(self, words): self.words = words
            def clean(self, text): return " ".join(w for w in text.split() if w not in self.words)

        CLEANER = Cleaner(("a", "the"))

        @op.function()
        def f(text: str) -> str:
            return CLEANER.clean(text)
        """,
        ('"the"', '"an"'),
    ),
    "list in a shared object": (
        """
        from coco import op

        class Cleaner:
            def __init__(self, words): self.words = words
            def clean(self, text): return " ".join(w for w in text.split() if w not in self.words)

        CLEANER = Cleaner(["a", "the"])

        @op.function()
        def f(text: str) -> str:
            return CLEANER.clean(text)
        """,
        ('"the"', '"an"'),
    ),
    "slots of a shared object": (
        """
        from coco import op

        class Cleaner:
            __slots__ = ("size",)
            def __init__(self, size): self.size = size
            def clean(self, text): return text[:self.size]

        CLEANER = Cleaner(3)

        @op.function()
        def f(text: str) -> str:
            return CLEANER.clean(text)
        """,
        ("Cleaner(3)", "Cleaner(4)"),
    ),
    "function in a table": (
        """
        from coco import op

        def upper(text): return text.upper()
        TABLE = {"u": [upper]}

        @op.function()
        def f(text: str) -> str:
            return TABLE["u"][0](text)
        """,
        ("text.upper()", "text.title()"),
    ),
    "method of an enum member": (
        """
        import enum
        from coco import op

        class Mode(enum.Enum):
            SHORT = "short"
            def cut(self, text): return text[:3]

        MODE = Mode.SHORT

        @op.function()
        def f(text: str) -> str:
            return MODE.cut(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "dataclass constant": (
        """
        from dataclasses import dataclass
        from coco import op

        @dataclass(frozen=True)
        class Options:
            size: int = 3

        OPTIONS = Options()

        @op.function()
        def f(text: str) -> str:
            return text[:OPTIONS.size]
        """,
        ("size: int = 3", "size: int = 4"),
    ),
    "regular expression": (
        """
        import re
        from coco import op
        PATTERN = re.compile("a+")

        @op.function()
        def f(text: str) -> str:
            return PATTERN.sub("", text)
        """,
        ('"a+"', '"a*"'),
    ),
    "decorated with functools.wraps": (
        """
        import functools
        from coco import op

        def twice(function):
            @functools.wraps(function)
            def wrapper(text: str) -> str:
                return function(function(text))
            return wrapper

        @op.function()
        @twice
        def f(text: str) -> str:
            return text.strip()
        """,
        ("text.strip()", "text.lower()"),
    ),
    "the decorator itself": (
        """
        import functools
        from coco import op

        def twice(function):
            @functools.wraps(function)
            def wrapper(text: str) -> str:
                return function(function(text))
            return wrapper

        @op.function()
        @twice
        def f(text: str) -> str:
            return text.strip()
        """,
        ("function(function(text))", "function(text)"),
    ),
    "helper behind lru_cache": (
        """
        import functools
        from coco import op

        @functools.lru_cache
        def helper(text): return text.strip()

        @op.function()
        def f(text: str) -> str:
            return helper(text)
        """,
        ("text.strip()", "text.lower()"),
    ),
    "argument of a partial": (
        """
        import functools
        from coco import op

        def cut(size, text): return text[:size]
        short = functools.partial(cut, 3)

        @op.function()
        def f(text: str) -> str:
            return short(text)
        """,
        ("partial(cut, 3)", "partial(cut, 4)"),
    ),
    "function behind a partial": (
        """
        import functools
        from coco import op

        def cut(size, text): return text[:size]
        short = functools.partial(cut, 3)

        @op.function()
        def f(text: str) -> str:
            return short(text)
        """,
        ("text[:size]", "text[size:]"),
    ),
    "one of two lambdas on a line": (
        """
        from coco import op
        first, second = (lambda text: text[:1]), (lambda text: text[:2])

        @op.function()
        def f(text: str) -> str:
            return second(text)
        """,
        ("text[:2]", "text[:3]"),
    ),
    "recursion": (
        """
        from coco import op

        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)

        @op.function()
        def f(text: str) -> bool:
            return f(text[1:]) if text else even(len(text))
        """,
        ("odd(n - 1)", "odd(n - 3)"),
    ),
    "import inside the function": (
        """
        from coco import op

        @op.function()
        def f(text: str) -> str:
            import json
            return json.dumps(text)
        """,
        ("json.dumps(text)", "json.dumps(text, indent=1)"),
    ),
    "nested function": (
        """
        from coco import op

        def helper(text): return text.strip()

        @op.function()
        def f(text: str) -> str:
            def inner():
                return [helper(part) for part in text.split()]
            return "".join(inner())
        """,
        ("text.strip()", "text.lower()"),
    ),
    "decorated helper": (
        """
        from coco import op

        @op.function()
        def helper(text: str) -> str: return text.strip()

        @op.function()
        def f(text: str) -> str:
            return helper(text)
        """,
        ("text.strip()", "text.lower()"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_dependency_of_a_function_counts(project: Project, name: str) -> None:
    """Editing it changes identity; a comment beside it and loading again do not."""
    text, (old, new) = CASES[name]
    edited = text.replace(old, new)
    assert edited != text
    before = project.identity(flowcode=text)
    assert project.identity(flowcode=dedent(text) + "\n# a comment\n") == before
    assert project.identity(flowcode=edited).code != before.code


def test_helper_in_another_module_of_the_project(project: Project) -> None:
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


def test_a_module_function_named_like_a_method_of_containers_counts(project: Project) -> None:
    """``tools.update(...)`` is a call, not a change of a container named ``tools``."""
    code = "import tools\nfrom coco import op\n@op.function()\ndef f(text: str) -> str:\n    return tools.update(text)\n"
    before = project.identity(flowcode=code, tools="def update(text): return text[:3]\n")
    assert project.identity(flowcode=code, tools="def update(text): return text[:4]\n").code != before.code


def test_moving_code_changes_the_memo_key_only(project: Project) -> None:
    """X-012: rows are not processed again because a function moved."""
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
def test_executor_class(project: Project, old: str, new: str, counts: bool) -> None:
    """analyze, prepare, call, other methods, methods of the spec, helpers."""
    before = project.identity(spec="Work()", flowcode=EXECUTOR)
    assert old in EXECUTOR
    after = project.identity(spec="Work()", flowcode=EXECUTOR.replace(old, new))
    assert (after.code != before.code) is counts


def test_the_spec_counts(project: Project) -> None:
    assert project.identity(spec="Work('a')", flowcode=EXECUTOR) == project.identity(
        spec="Work()", flowcode=EXECUTOR
    )
    assert (
        project.identity(spec="Work('b')", flowcode=EXECUTOR).code
        != project.identity(spec="Work()", flowcode=EXECUTOR).code
    )


def test_behavior_version_pins(project: Project) -> None:
    """X-010, X-011: with a version code does not count; another version does, also a lower one."""
    pinned = PLAIN.replace("@op.function()", "@op.function(behavior_version=2)")
    before = project.identity(flowcode=pinned)
    assert project.identity(flowcode=pinned.replace("value * times", "value")) == before
    for version in (1, 3):
        other = project.identity(flowcode=pinned.replace("=2)", f"={version})"))
        assert other.code != before.code
    assert project.identity(flowcode=PLAIN).code != before.code


def test_options_of_one_step_do_not_count(project: Project) -> None:
    """X-012: neither time-outs, nor caching, nor where it runs."""
    import datetime

    module = project.load(flowcode=PLAIN)
    plain = identity_of(module.f)
    assert identity_of(module.f, timeout=datetime.timedelta(seconds=1), cache=True, gpu=True) == plain


def test_a_changed_default_counts_although_code_is_pinned(project: Project) -> None:
    """X-012: the values of defaulted parameters are part of the memo key."""
    pinned = PLAIN.replace("@op.function()", "@op.function(behavior_version=2)")
    before = project.identity(flowcode=pinned)
    after = project.identity(flowcode=pinned.replace("times: int = 2", "times: int = 3"))
    assert after.code == before.code
    assert after.memo != before.memo


def test_extra_identity_of_an_executor(project: Project) -> None:
    """D-07: the revision of a model, say."""
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


def test_state_that_a_function_keeps_does_not_count(project: Project) -> None:
    """A cache that fills itself must not make the identity depend on the time of day."""
    module = project.load(flowcode=STATEFUL)
    before = identity_of(module.f)
    module.f("a")
    assert module.COUNT == 1
    assert identity_of(module.f) == before


def test_a_shared_object_that_counts_its_calls(project: Project) -> None:
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


def test_a_closure_value_without_identity_is_refused_with_a_way_out() -> None:
    """A-02: never silently ignored."""
    socket: Any = io.BytesIO()

    @op.function()
    def uses_it(text: str) -> str:
        return text + str(socket)

    with pytest.raises(DefinitionError, match=r"'socket'.*no stable identity.*behavior_version="):
        identity_of(uses_it)
    assert identity_of(uses_it, behavior_version=1)


def test_code_without_source_has_an_identity() -> None:
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


def test_an_edit_while_running_is_not_mistaken_for_the_running_code(project: Project) -> None:
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


def test_a_redefinition_in_a_notebook(project: Project) -> None:
    """A-26: the same cell run again keeps its identity, an edited one does not."""

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


def test_the_parts_tell_what_changed(project: Project) -> None:
    """For ``coco plan``: the helper's part differs, the function's own does not."""
    before = project.identity(flowcode=PLAIN)
    after = project.identity(flowcode=PLAIN.replace("text.strip()", "text.lower()"))
    differing = {name for name in before.parts if before.parts[name] != after.parts.get(name)}
    assert differing == {"code flowcode.helper"}


def test_what_is_covered_can_be_asked(project: Project) -> None:
    module = project.load(
        flowcode=PLAIN.replace("text.strip()", "json.dumps(text)").replace(
            "LIMIT =", "import json\n    LIMIT ="
        )
    )
    described = describe_identity(module.f)
    assert described["code"] == ["flowcode.f", "flowcode.helper"]
    assert described["constants"] == {"LIMIT": ["int", "3"]}
    assert described["by_name"] == ["json.dumps"]


def test_identity_is_equal_in_another_process(project: Project) -> None:
    """A-02: stable across processes, whatever the hash seed."""
    import subprocess

    text = PLAIN.replace("LIMIT = 3", "LIMIT = len({'a', 'b', 'c'})\n    WORDS = {'x', 'y', 'z'}").replace(
        "value = ", "value = (text in WORDS and '') or "
    )
    here = project.identity(flowcode=text)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import flowcode\n"
        "from coco.ops.function_record import ArgSchema\n"
        "from coco.ops.registry import registered_function\n"
        "from coco.types.schema import BasicValueType, EnrichedValueType\n"
        "type_ = EnrichedValueType(BasicValueType('Str'))\n"
        "print(registered_function(flowcode.f).bind(None, [(ArgSchema(type_), None)]).identity.memo.hex())\n"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(project.folder)],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            timeout=120,
            check=True,
        )
        assert done.stdout.strip() == here.memo.hex()
