"""The ``coco`` program. Importing this package imports nothing else; ``main`` imports what it needs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the program with ``sys.argv`` and end the interpreter with its exit code.

    0: done. 1: failed, or done with rows that failed. 2: called wrongly. 130: interrupted. 143: terminated.
    """
    import gc
    import sys
    import threading

    # Garbage collection of the classes and code just imported took a tenth of a short update.
    gc.set_threshold(50_000)

    import warnings

    from coco.cli.failures import show_warning
    from coco.cli.group import cli
    from coco.cli.signals import handled, interrupt, leave
    from coco.cli.streams import prepare_streams

    prepare_streams(sys.argv[1:])
    warnings.showwarning = show_warning
    try:
        with handled(interrupt):
            cli.main(prog_name="coco")
    except SystemExit as end:
        working = [item for item in threading.enumerate() if item.name.startswith("coco-work")]
        for item in working:
            item.join(0.2 / len(working))
        if any(
            item.is_alive() for item in working
        ):  # a function that hangs must not keep the process running
            leave(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
        raise
