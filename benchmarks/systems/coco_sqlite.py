"""coco, into an SQLite file."""

from typing import Any

import coco
from benchmarks.systems.coco_flow import run
from benchmarks.systems.command import Command, read_command


def target(command: Command) -> Any:
    return coco.targets.Sqlite(path=str(command.state / "target.db"), table="chunks")


if __name__ == "__main__":
    run(read_command(), target)
