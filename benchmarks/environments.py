"""Peers live in virtual environments of their own under ``.bench/venvs``."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.registry import System


class NotInstallableError(Exception):
    """A peer could not be installed; the message has the end of what pip said."""


def interpreter(system: System, folder: Path) -> str:
    """The Python to run a system with; builds the environment if it is not there or its requirements changed.

    Raises ``NotInstallableError``.
    """
    if not system.requirements:
        return sys.executable
    home = folder / system.name
    python, stamp = home / "bin" / "python", home / "requirements.txt"
    wanted = "\n".join(system.requirements) + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    print(f"installing {system.name} ...", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *system.requirements],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        shutil.rmtree(home, ignore_errors=True)
        raise NotInstallableError(done.stdout.strip()[-1000:])
    stamp.write_text(wanted)
    return str(python)
