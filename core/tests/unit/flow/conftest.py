"""Small operations and an environment that records what it is asked, for the tests of the flow API."""

from __future__ import annotations

import dataclasses
import importlib
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import pytest

import coco.lib  # noqa: F401  has the environment of the process before tests replace it
from coco import op
from coco.api.flow import Flow
from coco.environment.environment import Environment
from coco.flow.graph import Graph, SlotRef
from coco.operations.setup_work import SetupWork
from coco.types.annotations import Float32, Json, Vector


class FileKey(NamedTuple):
    filename: str


@dataclasses.dataclass
class Author:
    name: str
    born: int | None


@dataclasses.dataclass
class File:
    content: str
    author: Author
    editor: Author | None
    size: int
    score: float


class Files(op.SourceSpec):
    """Files of a folder."""

    path: str = "docs"


@op.source_connector(spec_cls=Files, key_type=FileKey, value_type=File)
class FilesConnector:
    @staticmethod
    def create(spec: Files) -> FilesConnector:
        return FilesConnector()

    def list(self) -> list[Any]:
        return []

    def get_value(self, key: FileKey) -> Any:
        raise NotImplementedError


@dataclasses.dataclass
class Chunk:
    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class ChunkKey:
    location: int


@dataclasses.dataclass
class Section:
    title: str
    parts: list[Chunk]


@dataclasses.dataclass
class Report:
    title: str
    chunks: list[Chunk]


@op.function()
def split(text: str, size: float = 10) -> list[Chunk]:
    return [Chunk(text, 0)]


@op.function()
def split_keyed(text: str) -> dict[ChunkKey, Chunk]:
    return {}


@op.function()
def maybe_split(text: str) -> list[Chunk] | None:
    return None


@op.function()
def sections(text: str) -> list[Section]:
    return []


@op.function()
def report(text: str) -> Report:
    return Report("", [])


@op.function()
def embed(text: str) -> Vector[Float32, Literal[4]]:
    return [0.0] * 4


@op.function()
def embed_long(text: str) -> Vector[Float32, Literal[8]]:
    return [0.0] * 8


@op.function()
def embed_any(text: str) -> Vector[Float32]:
    return []


@op.function()
def words(text: str) -> Vector[str, Literal[2]]:
    return []


@op.function(batching=True)
def embed_many(texts: list[str]) -> list[Vector[Float32, Literal[4]]]:
    return [[0.0] * 4 for _ in texts]


@op.function()
def shout(text: str) -> str:
    return text.upper()


@op.function()
def pair(left: str, right: str) -> str:
    return left + right


@op.function()
def count(rows: Any) -> int:
    return 0


@op.function()
def half(number: float) -> float:
    return number / 2


@op.function()
def to_json(text: str) -> Json:
    return {}


@op.function()
def author_of(text: str) -> Author:
    return Author("", None)


@op.function(arg_relationship=(op.ArgRelationship.CHUNKS_BASE_TEXT, "text"))
def chunk_text(text: str) -> list[Chunk]:
    return []


class Repeat(op.FunctionSpec):
    """Repeats a text."""

    times: int = 2
    extra: Any = None


@op.executor_class()
class RepeatExecutor:
    spec: Repeat

    def __call__(self, text: str) -> str:
        return text * self.spec.times


class Broken(op.FunctionSpec):
    """Its type cannot be told."""


@op.executor_class()
class BrokenExecutor:
    spec: Broken

    def analyze(self) -> type:
        raise RuntimeError("no model")

    def __call__(self, text: str) -> Any:
        return text


class NobodyRuns(op.FunctionSpec):
    """A spec without an implementation."""


class Rows(op.TargetSpec):
    """Rows in memory."""

    table: str | None = None


@op.target_connector(spec_cls=Rows, persistent_key_type=str, setup_state_cls=Rows)
class RowsConnector:
    @staticmethod
    def get_persistent_key(spec: Rows, target_name: str) -> str:
        return spec.table or target_name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...

    @staticmethod
    def mutate(*batches: tuple[Rows, dict[Any, dict[str, Any] | None]]) -> None: ...


class Picky(op.TargetSpec):
    """Rejects an export with full-text indexes."""

    table: str


picky_calls: list[Any] = []


@op.target_connector(spec_cls=Picky, persistent_key_type=str, setup_state_cls=Picky)
class PickyConnector:
    @staticmethod
    def with_default_name(spec: Picky, default_name: str) -> Picky:
        return spec if spec.table else Picky(table=default_name)

    @staticmethod
    def get_persistent_key(spec: Picky) -> str:
        return spec.table

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...

    @staticmethod
    def mutate(*batches: tuple[Picky, dict[Any, dict[str, Any] | None]]) -> None: ...

    @staticmethod
    def validate(
        spec: Picky, key_fields: Any, value_fields: Any, index_options: Any, attachments: Any
    ) -> None:
        picky_calls.append((spec, key_fields, value_fields, index_options, attachments))
        if index_options.fts_indexes:
            raise ValueError("Picky has no full-text indexes")


class RowsTrigger(op.TargetAttachmentSpec):
    """Something extra on a Rows target."""

    name: str


@op.attachment_connector(spec_cls=RowsTrigger, target_kinds=("Rows",))
class RowsTriggerConnector:
    @staticmethod
    def apply(target_key: Any, spec: RowsTrigger) -> None: ...

    @staticmethod
    def teardown(target_key: Any, saved_spec: RowsTrigger) -> None: ...


class Label(op.DeclarationSpec):
    """A label that exists without rows."""

    name: str
    note: str = ""


@op.declaration_connector(spec_cls=Label, persistent_key_type=str, setup_state_cls=Label)
class LabelConnector:
    @staticmethod
    def get_persistent_key(spec: Label) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...


@pytest.fixture(scope="session")
def ops() -> types.SimpleNamespace:
    """Everything defined above, by name."""
    return types.SimpleNamespace(**{k: v for k, v in globals().items() if not k.startswith("_")})


class Recording(Environment):
    """Stands in for the environment: ``calls`` lists the operations that flows asked for, ``evaluate`` serves values."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.own_namespace = ""
        self.evaluate: Callable[..., list[Any]] = lambda inline, columns: columns[0]
        self.handles: list[RecordingHandle] = []
        self.live_errors: dict[str, BaseException] = {}

    @property
    def namespace(self) -> str:
        return self.own_namespace

    def connect(self) -> None: ...

    def run(self, operation: Any, twin: str) -> Any:
        try:
            operation.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("nothing here has to be waited for")

    async def run_async(self, operation: Any) -> Any:
        return await operation

    def end_updaters(self, flow: str | None = None) -> None:
        self.calls.append(("end_updaters", flow))

    def operation(self, name: str) -> Any:
        async def record(environment: Any, of: Any, *args: Any, **kwargs: Any) -> Any:
            assert environment is self
            full_name = of.full_name if isinstance(of, Graph) else next(iter(of))
            self.calls.append((name, full_name, args, kwargs))
            return f"result of {name}"

        record.__name__ = name
        return record

    async def evaluate_values(self, environment: Any, inline: Any, columns: Any) -> list[Any]:
        self.calls.append(("evaluate_values", inline, columns))
        return self.evaluate(inline, columns)

    def bundle(self, work: SetupWork) -> RecordingBundle:
        return RecordingBundle(self, work)

    def live(self, environment: Any, graph: Any, options: Any) -> RecordingHandle:
        handle = RecordingHandle(self, graph, options, self.live_errors.get(graph.name))
        self.handles.append(handle)
        return handle


class RecordingBundle:
    def __init__(self, recording: Recording, work: SetupWork) -> None:
        self.recording = recording
        self.kind = "setup" if work._drop is None else "drop"
        self.flows = list(work._drop or [graph.full_name for graph in work._graphs])

    async def carried_out(self, report_to_stdout: bool, allow_destructive: bool) -> None:
        self.recording.calls.append((self.kind, self.flows, report_to_stdout, allow_destructive))

    async def describe_and_apply_async(
        self, report_to_stdout: bool = False, allow_destructive: bool = False
    ) -> None:
        await self.carried_out(report_to_stdout, allow_destructive)


class RecordingHandle:
    is_finished = False

    def __init__(
        self, environment: Recording, graph: Graph, options: Any, error: BaseException | None
    ) -> None:
        self.environment, self.graph, self.options, self.error = environment, graph, options, error
        self.flow = graph.full_name
        self.calls: list[str] = []

    async def begin(self, here: bool = False) -> None:
        self.calls.append("start")

    async def ended(self) -> None:
        self.calls.append("wait")

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    def abort(self) -> None:
        self.calls.append("abort")

    async def next_report(self) -> Any:
        return ("status", self.graph.name)

    def update_stats(self) -> Any:
        return ("stats", self.graph.name)


OPERATIONS = {
    name: name for name in ("setup", "drop", "update", "retry", "errors", "plan", "apply", "verify", "status")
} | {"evaluate": "evaluate", "evaluate_and_dump": "evaluate"}
"""Name and module."""


@pytest.fixture(autouse=True)
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """The environment of the test; flows registered during the test are closed after it."""
    from coco.api.registry import flows

    known = set(flows())
    found = Recording()
    for module in OPERATIONS.values():  # before any is replaced: some import others
        importlib.import_module(f"coco.operations.{module}")
    monkeypatch.setattr("coco.environment.environment.ENVIRONMENT", found)
    for name, module in OPERATIONS.items():
        monkeypatch.setattr(f"coco.operations.{module}.{name}", found.operation(name))
    monkeypatch.setattr("coco.operations.evaluate_values.evaluate_values", found.evaluate_values)
    monkeypatch.setattr("coco.operations.setup_bundle.SetupChangeBundle", found.bundle)
    monkeypatch.setattr("coco.operations.live.LiveUpdate", found.live)
    yield found
    for name, flow in flows().items():
        if name not in known:
            flow.close()


@pytest.fixture
def build() -> Callable[[Callable[[Any, Any], Any]], Graph]:
    """Builds the graph of a flow function under the name Demo."""
    return lambda function: Flow("Demo", function).graph


class Reader:
    """Finds things in a graph by name."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def scope(self, path: str) -> Any:
        (found,) = (scope for scope in self.graph.scopes if scope.path == path)
        return found

    def step(self, name: str) -> Any:
        (found,) = (step for step in self.graph.transforms if step.name == name)
        return found

    def slot(self, path: str) -> Any:
        scope, _, name = path.rpartition(".")
        (found,) = (
            slot
            for slot in self.graph.slots
            if slot.name == name and self.graph.scopes[slot.scope].path == scope
        )
        return found

    def collector(self, name: str) -> Any:
        (found,) = (item for item in self.graph.collectors if item.name == name)
        return found

    def ref(self, path: str) -> SlotRef:
        slot = self.slot(path)
        return SlotRef(slot.id, slot.type)


@pytest.fixture(scope="session")
def read() -> type[Reader]:
    return Reader
