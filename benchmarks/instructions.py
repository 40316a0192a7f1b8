"""``python -m benchmarks.instructions``: how many instructions coco needs, which no other process on the machine changes.

Times on a busy machine differ by tens of per cent from run to run; instructions of the same work by less than one. Each
line is a whole process, imports included, under ``perf stat`` where the machine lets us count, else under valgrind's
``cachegrind`` (some thirty times slower than the program).
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import Corpus
from benchmarks.measure import clean_environment
from benchmarks.workloads import ROOT

WORK = ROOT / ".bench" / "instructions"
FILES = 300
TOLERANCE = 0.01
"""Of one count against an older one: more is worse."""


class NotCountableError(Exception):
    """This machine counts no instructions."""


def counters() -> list[str]:
    """The command that counts what follows it. Raises ``NotCountableError``."""
    for command in (
        ["perf", "stat", "-x,", "-e", "instructions:u"],
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"],
    ):
        if shutil.which(command[0]):
            done = subprocess.run([*command, sys.executable, "-S", "-c", ""], capture_output=True, text=True)
            if done.returncode == 0 and _found(done.stderr) is not None:
                return command
    raise NotCountableError(
        "neither perf nor valgrind counts instructions here; on Debian: apt-get install valgrind"
    )


def _found(text: str) -> int | None:
    match = re.search(r"^(\d+),[^,]*,instructions", text, re.MULTILINE)
    match = match or re.search(r"I +refs: +([\d,]+)", text)
    return None if match is None else int(match.group(1).replace(",", ""))


def count(counter: list[str], command: list[str], folder: Path) -> int:
    """Instructions of a process. Raises ``RuntimeError`` if it fails."""
    environment = {**clean_environment(), "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [*counter, *command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    found = _found(done.stderr)
    if done.returncode or (counter and found is None):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return found or 0


def measure(counter: list[str], corpus: Corpus, folder: Path) -> Iterator[tuple[str, int]]:
    """Counts of one round, each workload by a new process, on an index of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mine = corpus.copy_to(folder / "corpus")
    arguments = ["--corpus", str(mine.root), "--dsn", "none", "--state", str(folder / "state")]
    update = [sys.executable, "-m", "benchmarks.systems.coco_sqlite", *arguments]
    yield "coco --help", count(counter, [str(Path(sys.executable).with_name("coco")), "--help"], folder)
    yield "first index", count(counter, update, folder)
    yield "nothing changed", count(counter, update, folder)
    mine.edit_one(mine.files()[corpus.count // 2], "edited")
    yield "one file edited", count(counter, update, folder)


def modules_of_help() -> int:
    """How many modules ``coco --help`` imports."""
    code = "import sys; sys.argv = ['coco', '--help']\nfrom coco.cli import main\ntry: main()\n"
    code += "finally: print(len(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True
    )
    return int(done.stderr.split()[-1])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help="files in the corpus")
    parser.add_argument("--repeat", type=int, default=2, help="rounds; the least of each counts")
    parser.add_argument("--json", type=Path, help="where to write the counts")
    parser.add_argument("--against", type=Path, help="counts of an earlier state to compare with")
    given = parser.parse_args(arguments)
    try:
        counter = counters()
    except NotCountableError as error:
        parser.exit(1, f"{error}\n")
    folder = WORK / "round"
    small = Corpus.generate(WORK / "corpora" / "3", 3)
    dict(measure([], small, folder))  # compiles modules
    corpus = Corpus.generate(WORK / "corpora" / str(given.files), given.files)
    rounds = [dict(measure(counter, corpus, folder)) for _ in range(given.repeat)]
    shutil.rmtree(folder)
    found = {name: [counts[name] for counts in rounds] for name in rounds[0]}
    document = {"counter": counter[0], "files": given.files, "modules": modules_of_help(), "counts": found}
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    before = json.loads(given.against.read_text()) if given.against else None
    return _show(document, before)


def _show(now: dict, before: dict | None) -> int:  # type: ignore[type-arg]
    """Prints a table; 1 if a count is worse than before."""
    worse = 0
    print(f"{'':18}{'instructions':>16}{'spread':>9}{'before':>16}{'change':>9}")
    for name, counts in now["counts"].items():
        least = min(counts)
        line = f"{name:18}{least:>16,}{(max(counts) - least) / least:>9.2%}"
        if before is not None:
            old = min(before["counts"][name])
            change = least / old - 1
            worse |= change > TOLERANCE
            line += f"{old:>16,}{change:>+9.2%}"
        print(line)
    line = f"{'modules of --help':18}{now['modules']:>16}"
    if before is not None:
        line += f"{'':9}{before['modules']:>16}{now['modules'] - before['modules']:>+9}"
        worse |= now["modules"] > before["modules"]
    print(line)
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
