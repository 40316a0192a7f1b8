"""``coco stubs``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import click

from coco.cli.output import fail, note, say


@click.command("stubs")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write coco-stubs into. Default: the site-packages of this environment.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 if the stubs are missing or out of date."
)
def command(out: Path | None, check: bool) -> None:
    """Tell type checkers what the installed plugins provide.

    Writes type stubs of coco.sources, coco.functions and coco.targets, for mypy, pyright and editors. Call it again
    after you installed or removed a plugin.
    """
    from coco.plugins import plugin_host
    from coco.plugins.stubs import FOLDER, HEADER, stub_files

    folder = (_site_packages() if out is None else out) / FOLDER
    files, remarks = stub_files(plugin_host())
    for remark in remarks:
        note(f"WARNING: {remark}")
    known = {name: _text(folder / name) for name in files}
    if check:
        if known != files:
            fail(f"{folder} does not say what the installed plugins provide; call: coco stubs{_option(out)}")
        say(f"{folder} is up to date")
        return
    first = known["sources.pyi"]
    if folder.exists() and (first is None or not first.startswith(HEADER)):
        fail(f"{folder} exists already and was not written by coco stubs; move it away, or use --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if known[name] != text:
                (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        fail(
            f"cannot write {error.filename or folder}: {error.strerror or error}. Name another folder: coco stubs --out FOLDER"
        )
    say(str(folder))


def _option(out: Path | None) -> str:
    return "" if out is None else f" --out {out}"


def _site_packages() -> Path:
    """Where coco-core is installed; of an editable installation, the folder that its metadata lies in."""
    try:
        return Path(str(distribution("coco-core").locate_file("")))
    except PackageNotFoundError:
        fail(
            "coco-core is not installed in this environment; say where the stubs belong: coco stubs --out FOLDER"
        )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror or error}")
