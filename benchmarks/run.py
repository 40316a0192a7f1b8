"""``python -m benchmarks.run``: ours, the floors and the peers over the same corpus, as tables and JSON."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bars import Judgement, judge, judge_growth
from benchmarks.corpus import Corpus
from benchmarks.environments import NotInstallableError, interpreter
from benchmarks.registry import SYSTEMS, Store
from benchmarks.server import Server, ServerUnavailableError, start
from benchmarks.summary import Figures, summarise, table, workload_tables
from benchmarks.workloads import ROOT, WORKLOADS, Result, Session

WORK = ROOT / ".bench"
RESULTS = Path(__file__).resolve().parent / "results"
QUICK_FILES = 500
BAR_FILES = 10_000


def main(arguments: list[str] | None = None) -> int:
    given = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    systems = _names(given.systems, list(SYSTEMS), "systems")
    workloads = _names(given.workloads, list(WORKLOADS), "workloads")
    work = Path(given.work)
    work.mkdir(parents=True, exist_ok=True)
    sizes = [QUICK_FILES] if given.quick else [int(size) for size in given.files.split(",")]
    repeat = 1 if given.quick else given.repeat
    pythons, missing = _interpreters(systems, work / "venvs")
    server, no_server = _server(given, pythons)
    if server is None:
        for name in [name for name in pythons if SYSTEMS[name].store is Store.POSTGRES]:
            missing[name] = no_server
            del pythons[name]
    found: dict[int, dict[tuple[str, str], Figures]] = {}
    raw: list[dict[str, Any]] = []
    try:
        for files in sizes:
            results = _measure(files, repeat, workloads, pythons, server, work, given.timeout)
            found[files] = {key: summarise(*key, entries) for key, entries in results.items()}
            raw += _raw(files, results)
            print(
                f"\n== {files} files, medians of {repeat} ==\n\n{workload_tables(found[files])}", flush=True
            )
            _print_bars(judge(found[files]))
            if files < BAR_FILES:
                print(f"\nthe bars are meant for {BAR_FILES} files and more")
    finally:
        if server is not None:
            server.stop()
    if len(sizes) > 1:
        _print_bars([judge_growth(found[min(sizes)], found[max(sizes)])])
    for name, reason in missing.items():
        print(f"\nnot measured: {name}: {reason}")
    path = _write(given.json, found, raw, missing, repeat)
    print(f"\nwritten: {path}")
    ours = [f for figures in found.values() for f in figures.values() if f.system.startswith("coco_")]
    return 1 if any(figure.failure or figure.right is False for figure in ours) else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--files", default="10000", help="files in the corpus; several sizes with commas")
    parser.add_argument("--systems", help=f"some of {','.join(SYSTEMS)}")
    parser.add_argument("--workloads", help=f"some of {','.join(WORKLOADS)}")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions, round by round")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FILES} files, once")
    parser.add_argument("--json", help="where to write the results (default: benchmarks/results)")
    parser.add_argument(
        "--dsn", help="a Postgres of yours with pgvector, without database name; its CPU is unknown"
    )
    parser.add_argument("--durable", action="store_true", help="the server waits for the disk (fsync)")
    parser.add_argument("--work", default=str(WORK), help="folder for corpora, databases and environments")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one run")
    return parser.parse_args(arguments)


def _names(given: str | None, known: list[str], what: str) -> list[str]:
    if given is None:
        return known
    names = [name for name in given.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such {what}: {', '.join(unknown)}; there are {', '.join(known)}")
    return [name for name in known if name in names]


def _interpreters(systems: list[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """System -> Python to run it with, and those that cannot be installed, with the reason."""
    pythons: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in systems:
        try:
            pythons[name] = interpreter(SYSTEMS[name], folder)
        except (NotInstallableError, OSError) as error:
            missing[name] = f"could not be installed: {error}"
    return pythons, missing


def _server(given: argparse.Namespace, pythons: dict[str, str]) -> tuple[Server | None, str]:
    if all(SYSTEMS[name].store is not Store.POSTGRES for name in pythons):
        return None, ""
    if given.dsn:
        return Server(given.dsn.rstrip("/"), None), ""
    try:
        return start(durable=given.durable), ""
    except ServerUnavailableError as error:
        return None, str(error)


def _measure(
    files: int,
    repeat: int,
    workloads: list[str],
    pythons: dict[str, str],
    server: Server | None,
    work: Path,
    timeout: float,
) -> dict[tuple[str, str], list[Result]]:
    """Round by round, so that a busy minute of the machine does not hit one system only."""
    corpus = Corpus.generate(work / "corpora" / str(files), files)
    results: dict[tuple[str, str], list[Result]] = {}
    folder = work / f"run-{os.getpid()}"
    try:
        for number in range(repeat):
            for name, python in pythons.items():
                print(f"{files} files, round {number + 1}: {name}", file=sys.stderr, flush=True)
                session = Session(SYSTEMS[name], python, server, folder, timeout)
                if number == 0:
                    session.warm(corpus)
                for result in session.run(corpus, workloads):
                    results.setdefault((name, result.workload), []).append(result)
                session.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _raw(files: int, results: dict[tuple[str, str], list[Result]]) -> list[dict[str, Any]]:
    raw = []
    for (name, _), entries in results.items():
        for number, entry in enumerate(entries):
            data = asdict(entry)
            data["right"] = None if entry.verdict is None else entry.verdict.right
            raw.append({"files": files, "system": name, "round": number, **data})
    return raw


def _print_bars(judgements: list[Judgement]) -> None:
    words = {True: "met", False: "NOT MET", None: "not measured"}
    lines = [["bar", "found", "must be", ""]]
    lines += [
        [item.bar, item.found, item.must or "no bar", words[item.met] if item.must else ""]
        for item in judgements
    ]
    print("\nbars\n" + table(lines), flush=True)
    if any(item.met is False for item in judgements):
        print('What is not met, and why: docs/performance.md, "The bars".')


def _write(
    wanted: str | None,
    found: dict[int, dict[tuple[str, str], Figures]],
    raw: list[dict[str, Any]],
    missing: dict[str, str],
    repeat: int,
) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = Path(wanted) if wanted else RESULTS / f"{stamp}-{'-'.join(map(str, found))}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "when": stamp,
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
        "repeat": repeat,
        "not_measured": missing,
        "requirements": {
            name: system.requirements for name, system in SYSTEMS.items() if system.requirements
        },
        "medians": {
            str(files): [asdict(figure) for figure in figures.values()] for files, figures in found.items()
        },
        "bars": {str(files): [asdict(item) for item in judge(figures)] for files, figures in found.items()},
        "runs": raw,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def _interrupted(signum: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(signum).name)


if __name__ == "__main__":
    sys.exit(main())
