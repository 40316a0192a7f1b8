"""``coco new``."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from coco_testing.scaffold.names import KINDS


@click.command("new")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("name")
@click.option(
    "-o",
    "--output-dir",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder to write into. Default: coco-KIND-NAME in the current folder.",
)
@click.option("--minimal", is_flag=True, help="A target of one function, in one module.")
def new(kind: str, name: str, folder: Path | None, minimal: bool) -> None:
    """Write the package of a plugin, with tests that pass.

    KIND is target, source, function, store or runner. NAME is one or more words, joined by hyphens: the package
    of `coco new target json-lines` is coco-target-json-lines, and flows call it coco.targets.JsonLines.

    The package works at once, with a stand-in in memory or in processes. The command never writes into a folder
    that is not empty.
    """
    import coco
    from coco_testing.scaffold.files import MINIMAL, package_files
    from coco_testing.scaffold.names import BadNameError, plugin_names

    try:
        names = plugin_names(kind, name)
    except BadNameError as error:
        raise click.BadParameter(str(error), param_hint="'NAME'") from None
    if minimal and kind not in MINIMAL:
        raise click.BadParameter(f"there is no smaller package of a {kind}", param_hint="'--minimal'")
    place = folder or Path(names.distribution)
    _check_free(place)
    for path, text in package_files(names, coco.__version__, minimal=minimal).items():
        file = place / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            _cannot_write(file, error)
        click.echo(str(file))
    _warn_of_namesake(kind, names.spec)
    _note(f"\nNext: cd {place} && pip install --find-links DIST -e '.[test]' && pytest && coco plugins")
    _note("DIST: the folder of coco's wheels, which `make wheels` builds in a checkout of coco")


def _check_free(place: Path) -> None:
    try:
        if place.is_dir() and any(place.iterdir()):
            _fail(f"{place} exists and is not empty; nothing was written. Name another folder: -o FOLDER")
        if place.exists() and not place.is_dir():
            _fail(f"{place} is a file; nothing was written. Name a folder: -o FOLDER")
    except OSError as error:
        _cannot_write(place, error)


def _cannot_write(path: Path, error: OSError) -> NoReturn:
    _fail(f"cannot write {path}: {error.strerror or error}")


def _warn_of_namesake(kind: str, spec: str) -> None:
    """Print a note if another plugin provides the same name: users of both must choose one."""
    from coco.plugins import distribution_for

    other = distribution_for(kind, spec)
    if other:
        _note(
            f"\nNOTE: {other} provides {kind}:{spec} too; users who install both must choose one in COCO_PLUGINS."
        )


def _note(text: str) -> None:
    click.echo(text, err=True)


def _fail(text: str) -> NoReturn:
    raise click.ClickException(text)
