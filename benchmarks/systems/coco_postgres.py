"""coco, into Postgres."""

from typing import Any

import coco
from benchmarks.systems.coco_flow import run
from benchmarks.systems.command import Command, read_command


def target(command: Command) -> Any:
    database = coco.add_auth_entry("bench", coco.DatabaseConnectionSpec(url=command.dsn))
    return coco.targets.Postgres(database=database, table_name="chunks")


if __name__ == "__main__":
    run(read_command(), target)
