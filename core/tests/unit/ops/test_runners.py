"""Functions choose a runner by name; a runner needs no more than the protocol."""

from __future__ import annotations

import asyncio
import importlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any, ClassVar

import pytest

import coco
from coco import op
from coco.engine.remote_calls import RemoteCalls
from coco.errors import (
    DefinitionError,
    FunctionTimeoutError,
    InternalError,
    LifecycleError,
    PluginError,
    PrepareError,
    WorkerDiedError,
)
from coco.op import Answer, RemoteFunction
from coco.ops.registry import registered_function
from coco.ops.runner_names import RUNNERS
from coco.ops.runners import pack_call
from coco.plugins import RunnerManifest, hookimpl
from coco.plugins.loader import PluginHost, temporary_host
from coco.plugins.metadata import Candidate
from coco.plugins.report import plugin_report

MODULE = """
import os
from datetime import timedelta

import coco
from coco import op

LOADED = []


@op.function(runner="inline")
def shout(text: str) -> str:
    if text == "bad":
        raise ValueError("bad text")
    return text.upper()


@op.function(runner="inline", cache=True)
def shout_cached(text: str) -> str:
    return text.upper()


@op.function(runner="process")
def where(text: str) -> int:
    return os.getpid()


@op.function(runner="nowhere")
def lost(text: str) -> str:
    return text


class Greet(op.FunctionSpec):
    greeting: str


@op.executor_class(runner="inline", batching=True)
class GreetExecutor:
    spec: Greet

    def prepare(self) -> None:
        LOADED.append(self.spec.greeting)

    def __call__(self, text: list[str]) -> list[str]:
        return [f"{self.spec.greeting} {item}" for item in text]

    def close(self) -> None:
        LOADED.append("closed")
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("runners")
    (folder / "runner_operations.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("runner_operations")
    del sys.modules["runner_operations"]


class Inline:
    """A runner in this very thread, with all it was asked for."""

    made: ClassVar[list[Inline]] = []

    def __init__(self) -> None:
        self.calls = 0
        self.closed = 0
        Inline.made.append(self)

    def executor(self, function: RemoteFunction) -> InlineExecutor:
        return InlineExecutor(self, function)

    async def close(self) -> None:
        self.closed += 1


class InlineExecutor:
    def __init__(self, runner: Inline, function: RemoteFunction) -> None:
        self.runner = runner
        self.worker = op.Worker(function.description())

    async def prepare(self) -> None:
        op.open_answer(await asyncio.to_thread(self.worker.prepare))

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        for position, arguments in enumerate(calls):
            self.runner.calls += 1
            answer(position, await asyncio.to_thread(self.worker.call, arguments))

    async def close(self) -> None:
        await asyncio.to_thread(self.worker.close)


@pytest.fixture(autouse=True)
def inline() -> Iterator[list[Inline]]:
    Inline.made = []
    op.runner("inline")(Inline)
    yield Inline.made
    coco.stop()
    RUNNERS._factories.clear()


def flow_of(function: Any, **options: Any) -> coco.TransformFlow[Any]:
    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[Any]:
        return text.transform(function, **options)

    return flow


def test_calls_go_to_the_runner_of_that_name(functions: ModuleType, inline: list[Inline]) -> None:
    assert flow_of(functions.shout).evaluate(text=["a", "b", "c"]) == ["A", "B", "C"]
    assert [item.calls for item in inline] == [3]
    with pytest.raises(ValueError, match="bad text") as caught:
        flow_of(functions.shout).evaluate(text=["a", "bad"])
    assert "in shout" in str(caught.value.__cause__)
    assert [item.closed for item in inline] == [0]
    coco.stop()
    assert [item.closed for item in inline] == [1]


def test_functions_of_one_flow_share_a_runner(functions: ModuleType, inline: list[Inline]) -> None:
    """Though they ask for it at the same time, and it takes a while to make."""

    def slow() -> Inline:
        time.sleep(0.05)
        return Inline()

    op.runner("inline")(slow)

    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[Any]:
        text.transform(functions.shout_cached)
        return text.transform(functions.shout)

    async def both() -> list[Any]:
        return list(
            await asyncio.gather(flow.eval_async("a"), flow_of(functions.Greet("hi")).eval_async("b"))
        )

    assert asyncio.run(both()) == ["A", "hi b"]
    assert len(inline) == 1


def test_executors_are_prepared_there_and_closed(functions: ModuleType, inline: list[Inline]) -> None:
    functions.LOADED.clear()
    assert flow_of(functions.Greet("hi")).evaluate(text=["a", "b"]) == ["hi a", "hi b"]
    assert functions.LOADED == ["hi"]
    assert [item.calls for item in inline] == [1]
    coco.stop()
    assert functions.LOADED == ["hi", "closed"]


def test_where_a_function_runs_is_no_part_of_its_identity(functions: ModuleType) -> None:
    """A row that was computed here is not computed again there."""
    record = registered_function(functions.shout_cached)
    assert record is not None
    schema: Any = [(op_arg(), None)]
    bound = [
        record.bind(None, schema, options) for options in (None, {"runner": "process"}, {"runner": None})
    ]
    bound.append(record.bind(None, schema, {"runner": None, "gpu": True}))
    assert [item.runner for item in bound] == ["inline", "process", None, "process"]
    assert len({item.identity for item in bound}) == 1


def op_arg() -> Any:
    from coco.ops.function_record import ArgSchema
    from coco.types.schema import BasicValueType, EnrichedValueType

    return ArgSchema(EnrichedValueType(BasicValueType("Str")))


def test_the_built_in_runner(functions: ModuleType) -> None:
    pids = flow_of(functions.where).evaluate(text=["a", "b"])
    assert len(set(pids)) == 1
    assert os.getpid() not in pids


def test_definitions_do_not_wait_for_what_runners_need() -> None:
    program = """
import sys
from coco import op
@op.function(runner="pool")
def shout(text: str) -> str:
    return text
print({"asyncio", "coco.ops.remote", "coco.ops.worker_pool"} & set(sys.modules))
from coco.op import Runner, Worker, WorkerPool
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        op.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_gpu_and_runner_together_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"gpu=True and runner='pool' at once"):
        op.OpArgs(gpu=True, runner="pool")
    with pytest.raises(DefinitionError, match="give one of the two"):

        @op.function(gpu=True, runner="process")
        def both(text: str) -> str:
            return text


@pytest.mark.parametrize("name", ["", "Pool", "my_pool", 7])
def test_what_is_no_name(name: Any) -> None:
    with pytest.raises(DefinitionError, match="lower case letters, digits and -"):
        op.OpArgs(runner=name)


def test_a_plugin_cannot_use_the_name_of_the_built_in_runner() -> None:
    with pytest.raises(DefinitionError, match="'process' is coco's own"):
        op.runner("process")(Inline)


def test_an_unknown_name_is_an_error_when_the_flow_is_defined(functions: ModuleType) -> None:
    with pytest.raises(DefinitionError) as caught:
        flow_of(functions.lost).eval("x")
    assert (
        "Lost: no runner named 'nowhere' is installed (a plugin has to bring it); there are: inline, process"
        in str(caught.value)
    )


def test_what_cannot_be_imported_there_is_refused() -> None:
    @op.function(runner="inline")
    def nested(text: str) -> str:
        return text

    with pytest.raises(DefinitionError, match=r"runner='inline' runs the function in another process"):
        flow_of(nested).eval("x")


# -- plugins --------------------------------------------------------------------------------------


def plugin(name: str, hook: Any, monkeypatch: pytest.MonkeyPatch) -> Candidate:
    module = ModuleType(f"plugin_{name.replace('-', '_')}")
    module.COCO_API = 1  # type: ignore[attr-defined]
    if hook is not None:
        module.coco_runners = hookimpl(hook)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Candidate(name, module.__name__, lambda: (f"coco-{name}", "1.0"))


def nowhere() -> list[RunnerManifest]:
    return [RunnerManifest("nowhere", f"{__name__}:Inline", doc="Here.")]


def broken() -> list[RunnerManifest]:
    raise RuntimeError("no cluster")


def gone() -> list[RunnerManifest]:
    return [RunnerManifest("nowhere", "coco_runner_gone.pool:Pool")]


def test_a_plugins_runner(functions: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[type(Inline()).__module__])
    Inline.made = []
    candidate = plugin("runner-nowhere", nowhere, monkeypatch)
    with temporary_host(PluginHost(lambda: [candidate], {})) as host:
        assert flow_of(functions.lost).eval("x") == "x"
        assert [item.calls for item in Inline.made] == [1]
        [described] = plugin_report(host)["plugins"]
        assert described["runners"] == [{"name": "nowhere", "target": f"{__name__}:Inline", "doc": "Here."}]


def test_a_broken_plugin_is_named_and_affects_no_other(
    functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[type(Inline()).__module__])
    both = [plugin("runner-broken", broken, monkeypatch), plugin("runner-nowhere", nowhere, monkeypatch)]
    with temporary_host(PluginHost(lambda: both, {})) as host:
        assert [item.status for item in host.plugins] == ["disabled", "loaded"]
        assert flow_of(functions.lost).eval("x") == "x"
    only = plugin("runner-nowhere", broken, monkeypatch)
    with temporary_host(PluginHost(lambda: [only], {})), pytest.raises(DefinitionError) as caught:
        flow_of(functions.lost).eval("x")
    assert "is disabled: RuntimeError: no cluster; see coco plugins -v" in str(caught.value)


def test_a_runner_that_cannot_be_imported(functions: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is named where its runner is needed; a flow's other rows and functions go on."""
    only = plugin("runner-gone", gone, monkeypatch)
    with temporary_host(PluginHost(lambda: [only], {})), pytest.raises(PluginError) as caught:
        flow_of(functions.lost).eval("x")
    assert "runner:nowhere is provided by the plugin runner-gone" in str(caught.value)
    assert "No module named 'coco_runner_gone'" in str(caught.value)


# -- what the engine makes of answers -------------------------------------------------------------


class Scripted:
    """An executor that answers each run as it is told."""

    def __init__(self, *runs: Any) -> None:
        self.runs = list(runs)
        self.seen: list[list[Any]] = []
        self.busy = 0

    async def prepare(self) -> None: ...

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        self.seen.append([pickle.loads(item)[0][0] for item in calls])
        self.busy += 1
        assert self.busy == 1 or len(calls) > 1, "a suspect has company"
        await asyncio.sleep(0)
        self.busy -= 1
        told = self.runs.pop(0)
        if isinstance(told, Exception):
            raise told
        for position, item in told.items():
            answer(position, item)

    async def close(self) -> None: ...


def good(value: Any) -> bytes:
    return pickle.dumps(pickle.dumps(value))


def outcome(executor: Scripted, *values: Any, attempts: int = 3) -> dict[int, Any]:
    found: dict[int, Any] = {}

    def deliver(position: int, value: Any, error: BaseException | None) -> None:
        assert position not in found, "delivered twice"
        found[position] = value if error is None else error

    async def main() -> None:
        function: Any = None
        calls = RemoteCalls(function, executor)
        await calls.run([pack_call(value) for value in values], 7.0, "f", deliver, attempts)

    asyncio.run(main())
    return found


DIED = WorkerDiedError("exit code 3")


def test_the_call_that_ends_a_worker_is_found_among_the_calls_of_the_worker() -> None:
    """A pool that knows no more than that it broke is enough."""
    executor = Scripted(
        {0: good("A"), 1: DIED, 2: DIED, 3: DIED}, {0: good("B")}, {0: DIED}, {0: DIED}, {0: good("D")}
    )
    found = outcome(executor, "a", "b", "poison", "d")
    assert executor.seen == [["a", "b", "poison", "d"], ["b"], ["poison"], ["poison"], ["d"]]
    assert (found[0], found[1], found[3]) == ("A", "B", "D")
    assert str(found[2]).startswith(
        "f: the worker process ended 3 times in the same call (the last time with exit code 3)"
    )


def test_limits_are_put_in_words() -> None:
    """A TimeoutError of the function itself is left as it is."""
    found = outcome(Scripted({1: TimeoutError(), 0: good(1)}), "a", "b")
    assert found[0] == 1
    assert isinstance(found[1], FunctionTimeoutError)
    assert "f took longer than its limit of 7 s" in str(found[1])


def test_answers_that_are_missing_or_come_twice() -> None:
    found = outcome(Scripted({0: good(1), 2: good(3)}), "a", "b", "c")
    assert isinstance(found[1], InternalError)
    executor = Scripted({0: good(1)})
    executor.runs[0] = {0: good(1), 5: good(9)}
    assert outcome(executor, "a") == {0: 1}


def test_what_run_raises_is_the_error_of_calls_without_an_answer() -> None:
    found = outcome(Scripted(LifecycleError("closed")), "a", "b")
    assert [str(found[0]), str(found[1])] == ["closed", "closed"]


def test_an_invalid_answer_is_an_error() -> None:
    found = outcome(Scripted({0: b"noise"}), "a")
    assert isinstance(found[0], pickle.UnpicklingError)


def test_a_run_without_calls_does_not_reach_the_runner() -> None:
    executor = Scripted()
    assert outcome(executor) == {}
    assert executor.seen == []


# -- the far side ---------------------------------------------------------------------------------


def described(functions: ModuleType, name: str, spec: Any = None) -> RemoteFunction:
    record: Any = registered_function(getattr(functions, name))
    return RemoteFunction(record, spec)


def test_a_pool_that_takes_a_function_and_arguments(functions: ModuleType) -> None:
    """``answer_call`` loads and prepares at the first call of a thread."""
    functions.LOADED.clear()
    function = described(functions, "GreetExecutor", functions.Greet("hey"))
    assert op.open_answer(op.answer_call(function.description(), None)) is None
    assert op.open_answer(op.answer_call(function.description(), pack_call(["a"]))) == ["hey a"]
    coco.add_auth_entry("runners-more", "x", replace=True)
    assert op.open_answer(op.answer_call(function.description(), pack_call(["b"]))) == ["hey b"]
    assert functions.LOADED == ["hey"]
    other = described(functions, "GreetExecutor", functions.Greet("hey"))
    assert other.key == function.key
    assert other.key != described(functions, "GreetExecutor", functions.Greet("ho")).key


def test_credentials_do_not_show(functions: ModuleType) -> None:
    coco.add_auth_entry("runners-secret", "hunter2", replace=True)
    function = described(functions, "shout")
    before = function.description()
    assert b"hunter2" in before
    assert function.description() is before
    for shown in (repr(function), repr(op.Worker(before)), repr(pickle.loads(before))):
        assert "hunter2" not in shown
        assert "Shout" in shown
    coco.add_auth_entry("runners-secret", "hunter3", replace=True)
    assert function.description() is not before


def test_arguments_that_cannot_travel() -> None:
    with pytest.raises(Exception, match="pickle") as caught:
        pack_call(lambda: None)
    assert any("must be picklable" in note for note in caught.value.__notes__)


def test_a_runner_that_cannot_be_made(functions: ModuleType) -> None:
    """Nothing of coco's own is in the way of the reason."""

    def fails() -> Any:
        raise ConnectionError("no cluster at 10.0.0.1")

    op.runner("inline")(fails)
    with pytest.raises(ConnectionError, match="no cluster") as caught:
        flow_of(functions.shout).eval("x")
    assert not isinstance(caught.value, PrepareError)


def test_an_error_of_closing_a_runner_does_not_affect_others(
    functions: ModuleType, inline: list[Inline], caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(Inline):
        async def close(self) -> None:
            raise ConnectionError("the cluster is gone")

    op.runner("stuck")(Stuck)
    assert flow_of(functions.shout, op_args={"runner": "stuck"}).eval("x") == "X"
    assert flow_of(functions.shout).eval("x") == "X"
    coco.stop()
    assert "the runner 'stuck' could not be closed: ConnectionError: the cluster is gone" in caplog.text
    assert [item.closed for item in inline] == [0, 1]


def test_the_time_limit_is_passed_to_the_runner(functions: ModuleType) -> None:
    seen = []

    class Told(InlineExecutor):
        async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
            seen.append(timeout)
            await super().run(calls, timeout, answer)

    class Tells(Inline):
        def executor(self, function: RemoteFunction) -> InlineExecutor:
            return Told(self, function)

    op.runner("inline")(Tells)
    assert flow_of(functions.shout, op_args=op.OpArgs(timeout=timedelta(seconds=9))).eval("x") == "X"
    assert seen == [9.0]
