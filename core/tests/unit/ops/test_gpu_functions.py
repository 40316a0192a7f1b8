"""Functions with ``gpu=True`` run in a child process."""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import coco
from coco import op
from coco.auth_registry import default_registry
from coco.errors import AuthEntryError, DefinitionError, FunctionTimeoutError, WorkerDiedError
from coco.ops.error_text import describe

MODULE = """
import os
import signal
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import coco
from coco import op


class Trouble(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


@dataclass
class Parts:
    head: str
    pid: int


@op.function(gpu=True)
def where(text: str) -> Parts:
    print("chatter on standard output")
    return Parts(text[:1], os.getpid())


@op.function(gpu=True)
def fails(text: str) -> str:
    if text == "bad":
        raise Trouble(7)
    return text.upper()


@op.function(gpu=True)
def local_error(text: str) -> str:
    class Hidden(Exception):
        pass
    raise Hidden("cannot travel")


@op.function(gpu=True, timeout=timedelta(seconds=1))
def stuck(text: str) -> str:
    if text == "stuck":
        threading.Event().wait()
    return f"{text} {os.getpid()}"


@op.function(gpu=True)
def deadly(text: str) -> str:
    if text == "poison":
        os._exit(3)
    return text.upper()


@op.function(gpu=True)
def dies_once(text: str, marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    return text.upper()


@op.function(gpu=True, batching=True, max_batch_size=4)
def deadly_batch(texts: list[str]) -> list[str]:
    if "poison" in texts:
        os._exit(3)
    return [text.upper() for text in texts]


class GpuModel(op.FunctionSpec):
    name: str
    log: str


@op.executor_class(gpu=True)
class ModelExecutor:
    spec: GpuModel

    async def prepare(self) -> None:
        with open(self.spec.log, "a") as log:
            log.write(f"prepare {self.spec.name} {os.getpid()}\\n")

    async def __call__(self, text: str) -> str:
        return f"{self.spec.name}:{text}:{os.getpid()}"

    def close(self) -> None:
        with open(self.spec.log, "a") as log:
            log.write(f"close {self.spec.name}\\n")


class GpuVault(op.FunctionSpec):
    secret: coco.AuthEntryReference[str]


@op.executor_class(gpu=True)
class VaultExecutor:
    spec: GpuVault

    def __call__(self, text: str) -> int:
        from coco.auth_registry import get_auth_entry
        return len(get_auth_entry(str, self.spec.secret))


class GpuBroken(op.FunctionSpec):
    pass


@op.executor_class(gpu=True)
class GpuBrokenExecutor:
    spec: GpuBroken

    def prepare(self) -> None:
        raise Trouble(9)

    def __call__(self, text: str) -> str:
        return text
"""


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "gpu_operations.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("gpu_operations")
    del sys.modules["gpu_operations"]


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    coco.stop()


def flow_of(function: Any, *constants: Any) -> coco.TransformFlow[Any]:
    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[Any]:
        return text.transform(function, *constants)

    return flow


def test_runs_in_one_other_process(gpu: ModuleType) -> None:
    """Several calls, one process, and it is not this one; prints do no harm."""
    results = flow_of(gpu.where).evaluate(text=["alpha", "beta", "gamma"])
    pids = {item["pid"] for item in results}
    assert [item["head"] for item in results] == ["a", "b", "g"]
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_an_exception_keeps_type_attributes_and_remote_traceback(gpu: ModuleType) -> None:
    with pytest.raises(gpu.Trouble) as caught:
        flow_of(gpu.fails).eval("bad")
    assert caught.value.code == 7
    assert "in fails" in str(caught.value.__cause__)
    text = describe(caught.value)
    assert f" (at {gpu.__file__}:" in text and " in fails: raise Trouble(" in text
    assert "in the worker" not in text and "\n" not in text
    assert flow_of(gpu.fails).eval("good") == "GOOD"


def test_an_exception_that_cannot_travel_keeps_name_and_message(gpu: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"Hidden: cannot travel") as caught:
        flow_of(gpu.local_error).eval("x")
    text = describe(caught.value)
    assert f" (at {gpu.__file__}:" in text and " in local_error: raise " in text


def test_a_call_is_retried_after_a_crash_of_its_process(gpu: ModuleType, tmp_path: Path) -> None:
    """The same call succeeds in a new process."""
    marker = tmp_path / "marker"
    assert flow_of(gpu.dies_once, str(marker)).eval("text") == "TEXT"
    assert marker.read_text() == "died"


def test_an_input_that_always_crashes_the_process_fails_alone(gpu: ModuleType) -> None:
    """Three crashes, then an error that may be retried; its neighbours have results."""
    with pytest.raises(WorkerDiedError, match="3 times") as caught:
        flow_of(gpu.deadly).evaluate(text=["a", "poison", "b"])
    assert "exit code 3" in str(caught.value)
    assert any("element 1" in note for note in caught.value.__notes__)
    assert coco.errors.is_retriable(caught.value)
    assert flow_of(gpu.deadly).evaluate(text=["a", "b"]) == ["A", "B"]


@pytest.mark.slow
def test_a_batch_that_crashes_the_process_is_halved_down_to_the_bad_input(gpu: ModuleType) -> None:
    with pytest.raises(WorkerDiedError) as caught:
        flow_of(gpu.deadly_batch).evaluate(text=["a", "b", "c", "poison"])
    assert any("element 3" in note for note in caught.value.__notes__)
    assert flow_of(gpu.deadly_batch).evaluate(text=["a", "b"]) == ["A", "B"]


def test_a_call_over_its_time_limit_ends_the_process_and_affects_no_other_call(gpu: ModuleType) -> None:
    """Not made again; the next call finds a new process."""
    flow = flow_of(gpu.stuck)
    before = flow.eval("a").split()[1]
    with pytest.raises(FunctionTimeoutError, match="limit of 1 s"):
        flow.eval("stuck")
    assert flow.eval("a").split()[1] != before


def test_one_process_per_spec_prepared_once_and_closed_at_stop(gpu: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    one, other = gpu.GpuModel("one", str(log)), gpu.GpuModel("other", str(log))
    first = [flow_of(one).eval(text) for text in ("a", "b")]
    second = flow_of(gpu.GpuModel("one", str(log))).eval("c")
    third = flow_of(other).eval("a")
    pids = [item.split(":")[2] for item in (*first, second, third)]
    assert pids[0] == pids[1] == pids[2] != pids[3]
    coco.stop()
    lines = log.read_text().splitlines()
    assert lines[:2] == [f"prepare one {pids[0]}", f"prepare other {pids[3]}"]
    assert sorted(lines[2:]) == ["close one", "close other"]


def test_an_error_of_prepare_is_raised_to_the_caller_and_not_cached(gpu: ModuleType) -> None:
    flow = flow_of(gpu.GpuBroken())
    for _ in range(2):
        with pytest.raises(gpu.Trouble) as caught:
            flow.eval("x")
        assert caught.value.code == 9


def test_auth_entries_reach_the_child(gpu: ModuleType) -> None:
    """Also those that were added after it started."""
    early = coco.add_auth_entry("gpu-early", "12345")
    assert flow_of(gpu.GpuVault(early)).eval("x") == 5
    coco.add_auth_entry("gpu-early", "123", replace=True)
    assert flow_of(gpu.GpuVault(early)).eval("x") == 3
    coco.add_auth_entry("gpu-early", threading.Lock(), replace=True)  # an error where it is needed
    with pytest.raises(
        AuthEntryError, match="'gpu-early' is not available in this process: TypeError: cannot pickle"
    ):
        flow_of(gpu.GpuVault(early)).eval("y")
    default_registry().remove(["gpu-early"])


def test_what_cannot_be_imported_is_refused_when_the_flow_is_defined() -> None:
    """With the reason."""

    @op.function(gpu=True)
    def nested(text: str) -> str:
        return text

    with pytest.raises(DefinitionError, match="define it at the top of a module"):
        flow_of(nested).eval("x")


PROGRAM = """
import os
import coco
from coco import op
from dataclasses import dataclass


@dataclass
class Found:
    pid: int


@op.function(gpu=True)
def pid(text: str) -> Found:
    return Found(os.getpid())


@coco.transform_flow()
def flow(text: coco.DataSlice[str]) -> coco.DataSlice[Found]:
    return text.transform(pid)


{guard}
    found = flow.eval("x")
    print(type(found).__name__, found.pid != os.getpid())
    coco.stop()
"""


def run_program(path: Path, guard: str) -> subprocess.CompletedProcess[str]:
    path.write_text(PROGRAM.replace("{guard}", guard))
    return subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_function_of_the_program_itself(tmp_path: Path) -> None:
    """``__main__`` is found again, its types travel both ways."""
    done = run_program(tmp_path / "program.py", 'if __name__ == "__main__":')
    assert done.stdout.strip() == "Found True", done.stderr
    assert done.returncode == 0


def test_a_program_without_a_guard_gets_an_error_that_names_it(tmp_path: Path) -> None:
    done = run_program(tmp_path / "program.py", "if True:")
    assert done.returncode == 1
    assert "if __name__ ==" in done.stderr


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """Even when the parent is killed in the middle of a call."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, threading\n"
        "import coco\n"
        "from coco import op\n"
        "@op.function(gpu=True)\n"
        "def hang(text: str) -> str:\n"
        "    print(os.getpid(), file=sys.stderr, flush=True)\n"
        "    threading.Event().wait()\n"
        "    return text\n"
        "@coco.transform_flow()\n"
        "def flow(text: coco.DataSlice[str]) -> coco.DataSlice[str]:\n"
        "    return text.transform(hang)\n"
        'if __name__ == "__main__":\n'
        '    flow.eval("x")\n'
    )
    parent = subprocess.Popen([sys.executable, str(program)], stderr=subprocess.PIPE, text=True)
    assert parent.stderr is not None
    child = int(parent.stderr.readline())
    parent.kill()
    parent.wait()
    # The child holds the pipe's other end: it is gone when the pipe ends.
    assert str(child) not in parent.stderr.read()
    parent.stderr.close()
