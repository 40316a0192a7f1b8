"""``python -m benchmarks.targets``: rows per second into each target, ours and by hand, as a table and JSON."""

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.summary import table
from benchmarks.targets.contest import Contest, NotAvailableError, Watch, timed
from benchmarks.targets.sample import Sample, make_sample

TARGETS = ("postgres", "sqlite", "qdrant", "kuzu", "neo4j", "files")
OURS = "coco"
BAR = 0.7
"""Ours may need the rest of the time for what a script leaves out: bad rows by name, retries, ownership."""

WARM_UP_ROWS = 50
Times = dict[str, list[Watch]]


def main(arguments: list[str] | None = None) -> int:
    given = _parse(arguments)
    wanted = given.targets.split(",")
    unknown = [name for name in wanted if name not in TARGETS]
    if unknown:
        sys.exit(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    missing: dict[str, str] = {}
    found: dict[str, Times] = {}
    print(
        f"{given.rows} rows, in batches of {given.batch}, vectors of {given.dimension} numbers; "
        f"medians of {given.repeat} turns\n"
    )
    for name in wanted:
        try:
            found[name] = _measure(name, given)
        except NotAvailableError as error:
            missing[name] = str(error)
        except ImportError as error:
            missing[name] = f"{error}; install coco-target-{name} with its extra `test`"
        else:
            print(f"{_table({name: found[name]}, given.rows)}\n", flush=True)
    if len(found) > 1:
        print(_table(found, given.rows))
    for name, reason in missing.items():
        print(f"not measured: {name}: {reason}")
    if given.json:
        Path(given.json).write_text(json.dumps(_document(given, found, missing), indent=1) + "\n")
    return 0 if found else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets", description=__doc__)
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"some of {','.join(TARGETS)}")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument(
        "--batch", type=int, default=2_500, help="rows in a call; about what 512 documents make"
    )
    parser.add_argument("--dimension", type=int, default=384, help="numbers in a vector")
    parser.add_argument("--repeat", type=int, default=5, help="turns; each way is measured once in each")
    parser.add_argument("--json", help="where to write the results")
    return parser.parse_args(arguments)


def module_of(name: str) -> Any:
    """The module that opens a target."""
    return importlib.import_module(f"benchmarks.targets.{name}")


def _measure(name: str, given: argparse.Namespace) -> Times:
    """Seconds of each way, turn by turn; who begins alternates."""
    module = module_of(name)
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True) as place:
        with module.opened(Path(place)) as contest:
            ways = _ways(contest)
            few = _sample(contest, given, WARM_UP_ROWS)
            for load in ways.values():
                timed(load, few)
            sample = _sample(contest, given, given.rows)
            times: Times = {way: [] for way in ways}
            for turn in range(given.repeat):
                order = list(ways) if turn % 2 == 0 else list(reversed(ways))
                for way in order:
                    times[way].append(timed(ways[way], sample))
            return times


def _ways(contest: Contest) -> dict[str, Any]:
    return {OURS: contest.ours, **contest.by_hand}


def _sample(contest: Contest, given: argparse.Namespace, rows: int) -> Sample:
    return make_sample(rows, given.batch, given.dimension, vectors=contest.vectors)


def _table(found: dict[str, Times], rows: int) -> str:
    lines = [["target, by hand", "coco rows/s", "by hand rows/s", "ratio", f"at least {BAR}", "CPU ratio"]]
    for name, times in found.items():
        ours, our_cpu = _medians(times[OURS])
        for place, way in enumerate(way for way in times if way != OURS):
            theirs, their_cpu = _medians(times[way])
            ratio = theirs / ours
            verdict = "-" if place else "met" if ratio >= BAR else "NOT MET"
            figures = (f"{rows / ours:.0f}", f"{rows / theirs:.0f}", f"{ratio:.2f}", verdict)
            lines.append([f"{name}, {way}", *figures, f"{their_cpu / our_cpu:.2f}"])
    return table(lines)


def _medians(watches: list[Watch]) -> tuple[float, float]:
    """Of seconds and CPU seconds."""
    return statistics.median(item.seconds for item in watches), statistics.median(
        item.cpu for item in watches
    )


def _document(given: argparse.Namespace, found: dict[str, Times], missing: dict[str, str]) -> dict[str, Any]:
    return {
        "when": time.strftime("%Y%m%d-%H%M%S", time.gmtime()),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
        "rows": given.rows,
        "batch": given.batch,
        "dimension": given.dimension,
        "runs": {
            name: {way: [vars(watch) for watch in watches] for way, watches in times.items()}
            for name, times in found.items()
        },
        "not_measured": missing,
    }


if __name__ == "__main__":
    sys.exit(main())
