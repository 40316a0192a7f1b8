"""Servers in processes of their own, so that they share no interpreter with what is measured."""

import contextlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGETS = Path(__file__).resolve().parents[2] / "targets"


def test_module(distribution: str, name: str) -> Any:
    """A module from the tests of one of our targets."""
    folder = str(TARGETS / distribution / "tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


@contextlib.contextmanager
def served(code: str, *arguments: str) -> Iterator[str]:
    """What a Python program prints first, as long as the block runs; it ends when its input does.

    Raises ``RuntimeError`` if it prints nothing.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the server did not start")
        yield line
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
