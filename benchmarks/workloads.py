"""What is done to a corpus and measured, in the order in which one system goes through it."""

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.check import Verdict, check
from benchmarks.corpus import Corpus
from benchmarks.embedding import CallCounter
from benchmarks.measure import Child, Measurement, RunFailedError, stop_live
from benchmarks.registry import Store, System
from benchmarks.rows import FetchedRow, FileReader, read_rows
from benchmarks.server import Server

ROOT = Path(__file__).resolve().parents[1]
KILL_SHARE = 0.4
LIVE_FILES = 1000
LIVE_EDITS = 20
LIVE_PATIENCE = 60.0

EDITS: dict[str, Callable[[Corpus], object]] = {
    "unchanged": lambda corpus: None,
    "edited": lambda corpus: corpus.edit(),
    "deleted": lambda corpus: corpus.delete(),
    "touched": lambda corpus: corpus.touch(),
    "renamed": lambda corpus: corpus.rename(),
    "copied": lambda corpus: corpus.copy(),
    "one_file": lambda corpus: corpus.edit_one(corpus.files()[corpus.count // 2], "single"),
    "function": lambda corpus: None,
}
"""Workload -> what happens to the corpus before the update. "function" runs the other variant."""

WORKLOADS = ("first", *EDITS, "edited_alone", "killed", "live")
"""All workloads. "edited_alone" is a first index of only the edited files, the measure for "edited"."""

TITLES = {
    "first": "first index",
    "unchanged": "nothing changed",
    "edited": "1 % edited",
    "deleted": "1 % deleted",
    "touched": "all touched",
    "renamed": "1 % renamed",
    "copied": "1 % copied",
    "one_file": "one file, new process",
    "function": "function changed",
    "edited_alone": "the edited files alone",
    "killed": "killed at 40 %, resumed",
    "live": "live edit to visible row",
}


@dataclass(frozen=True)
class Result:
    """One workload, once. ``needed``: calls that no system could have saved. ``repeated``: share of calls made
    again after a kill. ``latencies``: seconds from a live edit to its row. ``failure``: why there is no measurement.
    """

    workload: str
    measurement: Measurement | None = None
    needed: int = 0
    verdict: Verdict | None = None
    repeated: float | None = None
    latencies: tuple[float, ...] = ()
    failure: str = ""

    @property
    def p50(self) -> float | None:
        return statistics.median(self.latencies) if self.latencies else None


class Session:
    """One system, one repetition: a corpus of its own, a database of its own, a state folder of its own."""

    def __init__(
        self, system: System, python: str, server: Server | None, folder: Path, timeout: float
    ) -> None:
        self.system = system
        self._python = python
        self._server = server
        self._folder = folder / system.name
        self._timeout = timeout
        self._state = self._folder / "state"
        self._dsn = "none"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._counter_path = self._folder / "calls"
        self._counter = CallCounter(self._counter_path)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def warm(self, pristine: Corpus) -> None:
        """One update over a few files, not measured: modules are compiled, programs and libraries in memory."""
        corpus = pristine.only(self._folder / "warm", pristine.files()[:3])
        self._fresh()
        try:
            self._measure(corpus, 1)
        except RunFailedError:
            return  # it will fail again, and be reported, where it counts

    def run(self, pristine: Corpus, workloads: list[str]) -> list[Result]:
        """Goes through the workloads that the system can do, in order; a failure ends those that build on it."""
        able = [name for name in workloads if self.system.only is None or name in self.system.only]
        results: list[Result] = []
        chain = [name for name in able if name in EDITS or name in ("first", "edited_alone")]
        if chain:
            results += self._chain(pristine, chain)
        if "killed" in able:
            results.append(self._guarded("killed", lambda: self._killed(pristine)))
        if "live" in able and self.system.live:
            results.append(self._guarded("live", lambda: self._live(pristine)))
        return results

    def _guarded(self, name: str, run: Callable[[], Result]) -> Result:
        try:
            return run()
        except (RunFailedError, psycopg.Error, OSError) as error:
            return Result(name, failure=str(error) or type(error).__name__)

    # -- the chain: one index, kept up to date --------------------------------------------------------
    def _chain(self, pristine: Corpus, workloads: list[str]) -> list[Result]:
        corpus = pristine.copy_to(self._folder / "corpus")
        results: list[Result] = []
        if self.system.store is Store.NONE:
            return [self._guarded("unchanged", lambda: Result("unchanged", self._measure(corpus, 1)))]
        self._fresh()
        results.append(self._guarded("first", lambda: self._step("first", corpus, 1)))
        edited: list[str] = []
        for name in workloads:
            if name not in EDITS:
                continue
            if results[0].failure:
                results.append(Result(name, failure="the first index failed"))
                continue
            changed = EDITS[name](corpus)
            if name == "edited" and isinstance(changed, list):
                edited = changed
                corpus.only(self._folder / "edited", edited)
            variant = 2 if name == "function" else 1
            results.append(self._guarded(name, lambda n=name, v=variant: self._step(n, corpus, v)))  # type: ignore[misc]
        if "edited_alone" in workloads and edited:
            self._fresh()
            alone = Corpus(self._folder / "edited", len(edited))
            results.append(self._guarded("edited_alone", lambda: self._step("edited_alone", alone, 1)))
        return results

    def _step(self, name: str, corpus: Corpus, variant: int) -> Result:
        before = set() if name == "function" else {text for _, text, _ in self._rows()}
        measurement = self._measure(corpus, variant)
        rows = self._rows()
        needed = len({text for _, text, _ in rows} - before)
        return Result(name, measurement, needed, check(corpus, rows, variant))

    # -- workloads with an index of their own -----------------------------------------------------------
    def _killed(self, pristine: Corpus) -> Result:
        corpus = pristine.copy_to(self._folder / "corpus")
        self._fresh()
        whole = self._measure(corpus, 1)
        self._fresh()
        before = self._child(corpus, 1).run_and_kill(int(whole.calls * KILL_SHARE), timeout=self._timeout)
        resumed = self._measure(corpus, 1)
        repeated = before + resumed.calls - whole.calls
        return Result(
            "killed",
            resumed,
            whole.calls - before,
            check(corpus, self._rows(), 1),
            repeated=repeated / whole.calls,
        )

    def _live(self, pristine: Corpus) -> Result:
        few = pristine.files()[:LIVE_FILES]
        corpus = pristine.only(self._folder / "live", few)
        self._fresh()
        self._measure(corpus, 1)
        process = self._child(corpus, 1, live=True).start_live()
        reader = FileReader(self.system, self._dsn, self._state)
        try:
            latencies = self._time_edits(corpus, few, process, reader)
        finally:
            reader.close()
            stop_live(process)
        return Result("live", verdict=check(corpus, self._rows(), 1), latencies=latencies)

    def _time_edits(
        self, corpus: Corpus, files: list[str], process: "subprocess.Popen[bytes]", reader: FileReader
    ) -> tuple[float, ...]:
        deadline = time.perf_counter() + LIVE_PATIENCE
        attempt = 0
        # The first edits only find out when it watches.
        while _time_edit(corpus, files[0], f"warm{attempt}", reader, 2.0) is None:
            attempt += 1
            if process.poll() is not None or time.perf_counter() > deadline:
                raise RunFailedError("live: no edit became visible")
        found: list[float] = []
        for number in range(LIVE_EDITS):
            path = files[(number * 37 + 1) % len(files)]
            seconds = _time_edit(corpus, path, f"live{number}", reader, 30.0)
            if seconds is None:
                raise RunFailedError(f"live: edit {number} did not become visible")
            found.append(seconds)
        return tuple(found)

    # -- the parts --------------------------------------------------------------------------------------
    def _fresh(self) -> None:
        """An empty state folder and an empty database."""
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        if self.system.store is Store.POSTGRES:
            assert self._server is not None
            self._dsn = self._server.fresh_database(f"bench_{self.system.name}")
            if self.system.setup:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    connection.execute(self.system.setup)

    def _child(self, corpus: Corpus, variant: int, *, live: bool = False) -> Child:
        arguments = [
            *(self._python, "-m", f"benchmarks.systems.{self.system.module}"),
            *("--corpus", str(corpus.root), "--dsn", self._dsn),
            *("--state", str(self._state), "--variant", str(variant)),
            *(["--live"] if live else []),
        ]
        postmaster = self._server.pid if self._server and self.system.store is Store.POSTGRES else None
        environment = {"PYTHONPATH": str(ROOT), "COCOINDEX_DISABLE_USAGE_TRACKING": "1"}
        return Child(arguments, environment, self._counter, self._counter_path, postmaster)

    def _measure(self, corpus: Corpus, variant: int) -> Measurement:
        if self._server is not None and self.system.store is Store.POSTGRES:
            self._server.checkpoint()
        return self._child(corpus, variant).run(timeout=self._timeout)

    def _rows(self) -> list[FetchedRow]:
        return read_rows(self.system, self._dsn, self._state)


def _time_edit(corpus: Corpus, path: str, word: str, reader: FileReader, patience: float) -> float | None:
    """Seconds from an edit to its row; None if there was no such row for ``patience`` seconds."""
    start = time.perf_counter()
    corpus.edit_one(path, word)
    while time.perf_counter() < start + patience:
        if reader.holds(path, word):
            return time.perf_counter() - start
        time.sleep(0.001)
    return None
