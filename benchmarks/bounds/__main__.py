"""``python -m benchmarks.bounds``: peak memory of updates that must not need more with a larger corpus, and the
size and speed of a state file of a million rows. A table, and ``--json FILE``.
"""

import argparse
import json
import os
import platform
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.corpus import WORDS, Corpus
from benchmarks.measure import LAUNCHER, clean_environment
from benchmarks.summary import table

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".bench"
FLAT = 1.25
"""A peak is flat if ten times the corpus makes it grow by no more than this."""
KEY_BYTES = 500
"""What a file may take where there is little else: its key, and its share of the state's page cache, which is limited."""


@dataclass(frozen=True)
class Figures:
    """One process. ``peak_mib``: largest resident memory; ``ready_s``: definition, setup and opening the state."""

    case: str
    size: int
    peak_mib: float
    wall_s: float
    cpu_s: float
    ready_s: float
    update_s: float
    rows: int
    writes: int
    state_bytes: int


class Measurer:
    """Runs cases, each in a process and with a state of its own, below ``work``."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self.found: list[Figures] = []

    def fresh(self, name: str) -> Path:
        """A folder for one state."""
        folder = self._work / "bounds" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def run(self, label: str, size: int, state: Path, case: str, *arguments: str) -> Figures:
        """One process of ``flows``."""
        report = state / "report"
        command = [sys.executable, "-m", "benchmarks.bounds.flows", case, "--state", str(state / "state.db")]
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(LAUNCHER), str(report), *command, *arguments],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        status, wall, cpu, peak = report.read_text().split()
        if status != "0":
            raise SystemExit(f"{label}: exit {status}: {done.stderr[-2000:]}")
        counted = json.loads(done.stdout.strip().split("\n")[-1])
        size_of_state = sum(path.stat().st_size for path in state.glob("state.db*"))
        figures = Figures(
            label, size, int(peak) / 1024, float(wall), float(cpu), state_bytes=size_of_state, **counted
        )
        self.found.append(figures)
        print(f"{label}, {size}: {figures.peak_mib:.0f} MiB, {figures.wall_s:.1f} s", file=sys.stderr)
        return figures


def files(measurer: Measurer, sizes: list[int]) -> None:
    """First index, nothing changed, all touched, and a first index into a slow target."""
    for size in sizes:
        corpus = Corpus.generate(WORK / "corpora" / str(size), size)
        given = ("--corpus", str(corpus.root))
        state = measurer.fresh(f"files-{size}")
        measurer.run("first index", size, state, "chunks", *given)
        measurer.run("nothing changed", size, state, "chunks", *given)
        touched = [corpus.root / name for name in corpus.files()]
        for path in touched:
            os.utime(path)
        measurer.run("all touched", size, state, "chunks", *given)
        measurer.run("slow target", size, measurer.fresh(f"slow-{size}"), "slow_target", *given)


def one_file(measurer: Measurer, sizes: list[int]) -> None:
    """A single file of ``size`` MB, in chunks of 500 characters."""
    for size in sizes:
        corpus = measurer.fresh(f"corpus-{size}")
        chance = random.Random(size)
        with (corpus / "huge.md").open("w") as file:
            while file.tell() < size * 1_000_000:
                words = " ".join(chance.choices(WORDS, k=60))
                file.write(f"{words.capitalize()}.\n\n")
        measurer.run(
            "one file of MB", size, measurer.fresh(f"huge-{size}"), "chunks", "--corpus", str(corpus)
        )
        shutil.rmtree(corpus)


def many_chunks(measurer: Measurer, sizes: list[int]) -> None:
    """A document that yields ``size`` rows of 60 characters."""
    for size in sizes:
        corpus = measurer.fresh(f"corpus-{size}")
        (corpus / "lines.md").write_text(
            "".join(f"line {number:010d} " + "x" * 43 + "\n" for number in range(size))
        )
        for label, case in (("chunks of one document", "lines"), ("the same, async function", "lines_async")):
            measurer.run(label, size, measurer.fresh(f"{case}-{size}"), case, "--corpus", str(corpus))
        shutil.rmtree(corpus)


def state_file(measurer: Measurer, sizes: list[int]) -> list[list[str]]:
    """Rows that are all but nothing beside what state keeps of them."""
    lines = [["state file of rows", "MB", "bytes a row", "open s", "no-op s", "CPU us a row", "peak MiB"]]
    for size in sizes:
        state = measurer.fresh(f"numbers-{size}")
        measurer.run("rows of 1 row each", size, state, "numbers", "--count", str(size))
        again = measurer.run("the same, nothing changed", size, state, "numbers", "--count", str(size))
        db = sqlite3.connect(state / "state.db")
        pages, page = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        db.close()
        lines.append(
            [
                str(size),
                f"{pages * page / 1e6:.1f}",
                f"{pages * page / size:.0f}",
                f"{again.ready_s:.3f}",
                f"{again.update_s:.3f}",
                f"{again.cpu_s / size * 1e6:.2f}",
                f"{again.peak_mib:.0f}",
            ]
        )
    return lines


def growth(found: list[Figures]) -> list[list[str]]:
    """Each case: peaks of the sizes, the smallest first, and what an item more costs."""
    lines = [
        ["case", "size", "peak MiB", "against the first", "bytes per item more", "wall s", "CPU s", "writes"]
    ]
    first: dict[str, Figures] = {}
    for item in found:
        base = first.setdefault(item.case, item)
        more = item.size - base.size
        lines.append(
            [
                item.case,
                str(item.size),
                f"{item.peak_mib:.0f}",
                "-" if not more else f"{item.peak_mib / base.peak_mib:.2f}",
                "-" if not more else f"{(item.peak_mib - base.peak_mib) * 2**20 / more:.0f}",
                f"{item.wall_s:.1f}",
                f"{item.cpu_s:.1f}",
                str(item.writes),
            ]
        )
    return lines


def judgements(found: list[Figures]) -> list[str]:
    """Whether the cases whose memory must not follow the corpus kept to it."""
    lines = []
    for case in (*FLAT_CASES, *KEY_CASES):
        items = [item for item in found if item.case == case]
        if len(items) < 2:
            continue
        few, many = items[0], items[-1]
        ratio = many.peak_mib / few.peak_mib
        bytes_a_file = (many.peak_mib - few.peak_mib) * 2**20 / (many.size - few.size)
        if case in FLAT_CASES:
            met, limit = ratio <= FLAT, f"at most {FLAT} times"
        else:
            met, limit = bytes_a_file <= KEY_BYTES, f"at most {KEY_BYTES} bytes"
        lines.append(
            f"{case}: {many.size / few.size:.0f} times the files, {ratio:.2f} times the memory, "
            f"{bytes_a_file:.0f} bytes a file ({limit}): {'met' if met else 'NOT MET'}"
        )
    return lines


FLAT_CASES = ("first index", "slow target")
KEY_CASES = ("nothing changed", "all touched")
CASES = ("files", "one_file", "many_chunks", "state_file")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounds", description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--quick", action="store_true", help="a hundredth of everything: does it run?")
    parser.add_argument("--json", type=Path, help="where to write every figure")
    given = parser.parse_args(arguments)
    names = given.cases.split(",")
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise SystemExit(f"no such cases: {', '.join(unknown)}; there are {', '.join(CASES)}")
    by = 100 if given.quick else 1
    state: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="bounds", dir=WORK if WORK.is_dir() else None) as folder:
        measurer = Measurer(Path(folder))
        if "files" in names:
            files(measurer, [10_000 // by, 100_000 // by])
        if "one_file" in names:
            one_file(measurer, [20, 200] if by == 1 else [1, 2])
        if "many_chunks" in names:
            many_chunks(measurer, [20_000 // by, 200_000 // by])
        if "state_file" in names:
            state = state_file(measurer, [100_000 // by, 1_000_000 // by])
    print(table(growth(measurer.found)))
    for line in judgements(measurer.found):
        print(line)
    if state:
        print("\n" + table(state))
    if given.json:
        document = {
            "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
            "figures": [asdict(item) for item in measurer.found],
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
