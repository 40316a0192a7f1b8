"""``coco init``."""

from __future__ import annotations

from pathlib import Path

import click

from coco.cli.output import fail, note, say


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(folder: Path) -> None:
    """Write a small project that runs.

    Creates FOLDER if it is missing; the default is the current one. Never overwrites a file.
    """
    from coco.cli.project import project_files

    files = project_files(folder.resolve().name)
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        fail(
            f"{', '.join(taken)} exist(s) in {folder} already; nothing was written. "
            "Name another folder: coco init FOLDER"
        )
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            fail(f"cannot write {path}: {error.strerror or error}")
        say(str(path))
    update = "coco update --setup main.py"
    steps = update if folder == Path() else f"cd {folder} && {update}"
    note(f"\nNext: {steps}")
