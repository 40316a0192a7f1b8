"""``make demo``: index the standard library, search it, then see what changes cost. Under two minutes.

Works in a temporary folder. Exits with 1 if a step did more work than coco promises.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import coco

SUFFIXES = frozenset({".py", ".txt", ".rst", ".md"})
LEFT_OUT = frozenset({"site-packages", "dist-packages", "__pycache__", "test", "tests"})
UNCACHED_CALLS_PER_FILE = 2
"""Finding the language and splitting: cheaper than looking them up."""


@dataclass(frozen=True)
class Step:
    """One line of the table."""

    what: str
    files: int
    embedded: int
    known: int
    written: int
    deleted: int
    seconds: float

    def cells(self) -> tuple[str, ...]:
        counts = (self.files, self.embedded, self.known, self.written, self.deleted)
        return (self.what, *(f"{count:,}" for count in counts), f"{self.seconds:.2f}")


HEADINGS = ("step", "files processed", "embedded", "memo hits", "rows written", "rows deleted", "seconds")


class BrokenPromiseError(Exception):
    """A step did more, or less, than it should."""


def timed_update(flow: coco.Flow, what: str, **options: Any) -> Step:
    """Update once; raises ``BrokenPromiseError`` if a row failed or the counters cannot be true."""
    started = time.perf_counter()
    info = flow.update(**options)
    seconds = time.perf_counter() - started
    if info.has_errors:
        raise BrokenPromiseError(f"{what}: {info}")
    stats = info.total
    files = stats.num_insertions + stats.num_updates + stats.num_reprocesses
    embedded = stats.num_function_calls - UNCACHED_CALLS_PER_FILE * files
    if embedded < 0:
        raise BrokenPromiseError(f"{what}: {files} files with {stats.num_function_calls} calls in all")
    return Step(
        what,
        files,
        embedded,
        stats.num_memo_hits,
        stats.num_target_upserts,
        stats.num_target_deletes,
        seconds,
    )


def promise(step: Step, kept: bool, text: str) -> Step:
    if not kept:
        raise BrokenPromiseError(f"{step.what}: {text}, but {step}")
    return step


# -- a copy to play with -------------------------------------------------------------------------------
def text_files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix in SUFFIXES and not path.is_symlink():
                yield path


def copy_library(source: Path, copy: Path) -> None:
    """The library without its tests; files keep their times."""
    for path in text_files(source):
        goal = copy / path.relative_to(source)
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, goal)
        goal.chmod(0o644)


def edit_one_function(copy: Path) -> None:
    path = copy / "textwrap.py"
    text = path.read_text(encoding="utf-8")
    head, definition, body = text.partition("def dedent(text):")
    if not definition:
        raise BrokenPromiseError("this Python's textwrap.py has no dedent() to edit")
    path.write_text(f"{head}{definition}\n    # Edited by the demo.{body}", encoding="utf-8")


def rename_a_folder(copy: Path) -> None:
    (copy / "json").rename(copy / "json_renamed")


def touch_everything(copy: Path) -> None:
    for path in text_files(copy):
        os.utime(path)


def delete_some_files(copy: Path) -> None:
    for path in sorted((copy / "email").glob("*.py"))[:5]:
        path.unlink()


def show_changes(copy: Path, flow: coco.Flow) -> list[Step]:
    steps = []

    def after(what: str, change: Callable[[Path], None]) -> Step:
        change(copy)
        steps.append(timed_update(flow, what))
        return steps[-1]

    flow.setup()
    step = after("a copy of the library", lambda _: None)
    promise(step, step.embedded == 0, "a copy must embed nothing")
    step = after("nothing changed", lambda _: None)
    promise(step, not (step.files or step.written or step.deleted), "there was nothing to do")
    step = after("one function edited", edit_one_function)
    promise(step, step.files == 1 and 0 < step.embedded <= 3, "one edit concerns the chunks around it")
    step = after("a folder renamed", rename_a_folder)
    promise(step, step.embedded == 0 and step.files > 0, "a rename must embed nothing")
    step = after("every file touched", touch_everything)
    promise(step, not (step.files or step.written), "a touch must cost no work behind the reading")
    step = after("five files deleted", delete_some_files)
    promise(step, step.deleted > 0 and not (step.files or step.written), "a deletion only deletes")
    steps.append(timed_update(flow, "full rebuild", full_reprocess=True))
    return steps


# -- searching -----------------------------------------------------------------------------------------
def show_searches(database: Path, embed: Callable[[str], Any]) -> None:
    """By vector, by words, by both, Python's own tests left out; rows come best first."""
    from coco_target_sqlite.search import search

    meaning, words = "parse the options and arguments of a command line", "heappush heapreplace"
    both = "find the delimiter and the quote character of a csv file"
    for title, text, query in (
        ("by vector", meaning, {"vector": embed(meaning)}),
        ("by words", words, {"text": words}),
        ("by both", both, {"vector": embed(both), "text": both}),
    ):
        started = time.perf_counter()
        rows = search(str(database), "chunks", limit=3, where="filename NOT LIKE '%test%'", **query)
        seconds = time.perf_counter() - started
        if not rows:
            raise BrokenPromiseError(f"the search {title} for {text!r} finds nothing")
        print(f"  {title}: {text}   ({seconds * 1000:.0f} ms)")
        for row in rows:
            line = next((line.strip() for line in row["text"].split("\n") if line.strip()), "")
            print(f"    {row['filename']:<34}  {line[:60]}")
    print()


# -- output --------------------------------------------------------------------------------------------
def print_table(steps: list[Step]) -> None:
    lines = [HEADINGS, *(step.cells() for step in steps)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for number, line in enumerate(lines):
        first, *rest = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  " + "  ".join((first, *rest)))
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def demo(folder: Path) -> None:
    database, library_root, copy = folder / "library.db", Path(sysconfig.get_path("stdlib")), folder / "copy"
    # Read by coco when it is first used, and by main.py when it is imported.
    os.environ["COCO_STATE_URL"] = f"sqlite:///{folder / 'state.db'}"
    os.environ["COCO_DEMO_DATABASE"] = str(database)
    # Python's tests have files in broken encodings on purpose; a warning for each would drown the demo.
    logging.getLogger("coco.source.localfs").setLevel(logging.ERROR)
    main: Any = importlib.import_module("main")  # beside this file

    print(f"Indexing Python {sys.version_info.major}.{sys.version_info.minor}'s standard library ...")
    main.library.setup()
    first = timed_update(main.library, "the whole library, first time")
    promise(first, first.embedded > 0, "chunks must be embedded once")
    print(f"  {first.files:,} files, {first.written:,} chunks with embeddings, {first.seconds:.1f} s\n")

    print("Three searches")
    show_searches(database, main.embed.eval)

    print("Now the changes, on a copy of the library without its tests ...")
    copy_library(library_root, copy)
    steps = show_changes(copy, main.code_index("CopyOfLibrary", str(copy), str(folder / "copy.db")))
    print_table([first, *steps])


def run() -> int:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="coco-demo-") as name:
        try:
            demo(Path(name))
        except BrokenPromiseError as error:
            print(f"The demo failed: {error}", file=sys.stderr)
            return 1
        finally:
            if "coco" in sys.modules:
                sys.modules["coco"].stop()  # closes the files in the folder before it goes
    print(f"\nDone in {time.perf_counter() - started:.0f} s. The flow is in examples/demo/main.py.")
    return 0


if __name__ == "__main__":
    sys.exit(run())
