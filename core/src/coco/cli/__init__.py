"""The ``coco`` program. Importing this package imports nothing else; ``main`` does the rest."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the program on ``sys.argv`` and leave the interpreter with its exit code (CLI-16).

    0: done. 1: failed, or done with rows that failed. 2: called wrongly. 130: interrupted.
    """
    from coco.cli.group import cli

    cli.main(prog_name="coco")
