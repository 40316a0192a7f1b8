"""The examples beside this file mean to mypy what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import coco.typing

pytest.importorskip("mypy")


@pytest.mark.slow
def test_mypy_agrees_with_the_examples(request):
    source = Path(coco.typing.__file__).parents[1]
    examples = [Path(__file__).with_name(f"{name}_examples.py") for name in ("types", "connector")]
    # mypy refuses a MYPYPATH inside site-packages; there, it finds the installed package by itself.
    path = {} if "site-packages" in source.parts else {"MYPYPATH": str(source)}
    cache = request.config.cache.mkdir("types_examples")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            f"--cache-dir={cache}",
            *map(str, examples),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
