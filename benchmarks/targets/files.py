"""Markdown files: the target against a script that makes each file whole and lasting, as the target promises.

Rows have no vectors here: nobody writes them into a page.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.targets.contest import Contest, Load, Watch, by_connector, fresh_name
from benchmarks.targets.sample import Row, Sample
from coco_target_files.spec import Files, FilesConnector

WRITERS = 8


@contextmanager
def opened(folder: Path) -> Iterator[Contest]:
    def spec(name: str) -> Files:
        return Files(path=str(folder / name), content="text")

    yield Contest(
        by_connector(FilesConnector, spec),
        {f"write, fsync, rename; {WRITERS} threads": _script(folder)},
        vectors=False,
    )


def _script(folder: Path) -> Load:
    def load(sample: Sample, watch: Watch) -> int:
        root = folder / fresh_name()
        root.mkdir()
        with watch.running(), ThreadPoolExecutor(WRITERS) as pool:
            for batch in sample.natural:
                folders = {os.path.dirname(row.name) for row in batch}
                for name in folders:
                    os.makedirs(root / name, exist_ok=True)
                for _ in pool.map(lambda row: _write(str(root), row), batch):
                    pass
                for name in (*folders, "docs", "."):
                    _sync(str(root / name))
        found = sum(len(files) for _, _, files in os.walk(root))
        shutil.rmtree(root)
        return found

    return load


def _write(root: str, row: Row) -> None:
    text = f"---\nname: {json.dumps(row.name)}\nnumber: {row.number}\n---\n{row.text}"
    place = f"{root}/{row.name}"
    with open(place + ".tmp", "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(place + ".tmp", place)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
