"""One process measured: wall, CPU of it and of the database server, peak memory, function calls."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.embedding import COUNTER_VARIABLE, CallCounter

TICKS = os.sysconf("SC_CLK_TCK")
LAUNCHER = Path(__file__).resolve().with_name("launch.py")


class RunFailedError(Exception):
    """A system ended badly. The message has the end of what it wrote."""


@dataclass(frozen=True)
class Measurement:
    """What one run took. Times in seconds, memory in MiB; ``server_cpu`` is None for a server of the user's."""

    wall: float
    engine: float
    client_cpu: float
    server_cpu: float | None
    peak: float
    calls: int

    @property
    def cpu(self) -> float:
        return self.client_cpu + (self.server_cpu or 0.0)


def server_cpu(postmaster: int | None) -> float | None:
    """CPU seconds of a Postgres server so far: the postmaster, those of its children that ended, and the living."""
    if postmaster is None:
        return None
    total = sum(_stat(postmaster)[:4])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for child in children:
        try:
            total += sum(_stat(int(child))[:2])
        except OSError:
            continue
    return total / TICKS


def _stat(pid: int) -> list[int]:
    """utime, stime, cutime, cstime in ticks."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return [int(field) for field in fields[11:15]]


def clean_environment() -> dict[str, str]:
    """Ours without what would change how Python or coco run: above all, modules must be compiled once only."""
    return {
        name: value
        for name, value in os.environ.items()
        if name == "COCO_PURE" or not name.startswith(("PYTHON", "COCO_", "COCOINDEX_"))
    }


@dataclass
class Child:
    """A system at work in a process group of its own."""

    arguments: list[str]
    environment: dict[str, str]
    counter: CallCounter
    counter_path: Path
    postmaster: int | None

    def run(self, *, timeout: float) -> Measurement:
        """Runs it to its end. Raises ``RunFailedError`` if it exits with an error or takes too long."""
        report = self.counter_path.with_suffix(".report")
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            before = server_cpu(self.postmaster)
            self.counter.reset()
            process = self._start(out.fileno(), errors.fileno(), report)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise RunFailedError(f"took more than {timeout:.0f} s and was killed") from None
            finally:
                self._kill(process)
            after = server_cpu(self.postmaster)
            out.seek(0)
            errors.seek(0)
            status, wall, cpu, peak = report.read_text().split()
            if status != "0":
                raise RunFailedError(f"exit {status}: {_tail(out.read())} {_tail(errors.read())}")
            engine = _engine_seconds(out.read())
        return Measurement(
            float(wall),
            engine,
            float(cpu),
            None if before is None or after is None else after - before,
            int(peak) / 1024,
            self.counter.value,
        )

    def run_and_kill(self, calls: int, *, timeout: float) -> int:
        """Starts it and has it killed when it calls the function for the ``calls``th time; returns how often it did.

        Raises ``RunFailedError`` if it ends before that.
        """
        self.counter.reset(kill_at=calls)
        with tempfile.TemporaryFile("w+") as errors:
            process = self._start(subprocess.DEVNULL, errors.fileno())
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise RunFailedError(f"took more than {timeout:.0f} s and was killed") from None
            finally:
                self._kill(process)
            if process.returncode != -signal.SIGKILL:
                errors.seek(0)
                raise RunFailedError(f"ended before {calls} calls: {_tail(errors.read())}")
        return self.counter.value

    def start_live(self) -> "subprocess.Popen[bytes]":
        """Starts it with its output discarded, for as long as the caller lets it run."""
        return self._start(subprocess.DEVNULL, subprocess.DEVNULL)

    def _start(self, out: int, errors: int, report: Path | None = None) -> "subprocess.Popen[bytes]":
        launcher = [] if report is None else [sys.executable, "-I", "-S", str(LAUNCHER), str(report)]
        environment = {**clean_environment(), **self.environment}
        environment[COUNTER_VARIABLE] = str(self.counter_path)
        return subprocess.Popen(
            [*launcher, *self.arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def stop_live(process: "subprocess.Popen[bytes]") -> None:
    """Asks a live process to end, and sees to it that it does."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    Child._kill(process)


def _engine_seconds(output: str) -> float:
    for line in reversed(output.split("\n")):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "engine_s" in found:
            return float(found["engine_s"])
    raise RunFailedError(f"no engine_s in its output: {_tail(output)}")


def _tail(text: str) -> str:
    return text.strip()[-1500:]
