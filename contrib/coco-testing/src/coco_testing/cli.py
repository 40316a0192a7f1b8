"""``coco-testing``: the claim of a suite, found out and written; and what CI asks before a release."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import click

TESTS = Path("tests/test_conformance.py")


@click.group()
def main() -> None:
    """The conformance kit of coco, for the folder of a plugin."""


@main.command()
@click.argument("tests", type=click.Path(dir_okay=False, path_type=Path), default=TESTS)
@click.option("-w", "--write", is_flag=True, help="Write it into the file, instead of printing it.")
def init(tests: Path, write: bool) -> None:
    """Print the claim of each suite in TESTS, as a run has found it out.

    TESTS is tests/test_conformance.py by default. Where there is no such file, a suite for each operation of the plugin is
    printed instead: fill in what it leaves open, and run this again.
    """
    if not tests.exists():
        _first_file(tests, write=write)
        return
    found, code = run_suites([str(tests)])
    if not found["suites"]:
        raise click.ClickException(
            f"{tests} has no suite that ran: subclass one of coco_testing's as TestSomething"
        )
    _claims(tests, found["suites"], write=write)
    sys.exit(code)


def _first_file(tests: Path, *, write: bool) -> None:
    from coco_testing.first_suite import suite_file

    text = suite_file(_distribution())
    if not write:
        click.echo(text, nl=False)
        _note(f"\n{tests} does not exist. Write this there, or run: coco-testing init --write")
        return
    tests.parent.mkdir(parents=True, exist_ok=True)
    tests.write_text(text, encoding="utf-8")
    _note(f"{tests} is written. Fill in what is open, then run: coco-testing init")


def _claims(tests: Path, suites: dict[str, Any], *, write: bool) -> None:
    from coco_testing.claims import insert_claim

    for name, told in suites.items():
        if not told["news"]:
            _note(f"{name}: everything is declared")
            continue
        source = tests.read_text(encoding="utf-8")
        changed = insert_claim(source, name, told["claim"], told["imports"]) if write else None
        if changed is not None:
            tests.write_text(changed, encoding="utf-8")
            _note(f'{name}: the claim stands in {tests}. Write UNSUPPORTED("why") for what can never be')
            continue
        if write:
            _note(f"{name} has a claim already, or is not in {tests}; this is to replace it:")
        click.echo("\n".join([*told["imports"], "", f"# in the body of {name}:", told["claim"]]))


@main.command()
@click.argument("tests", nargs=-1)
def check(tests: tuple[str, ...]) -> None:
    """Check what a release needs: the package as installed, and suites that declare and show all abilities.

    TESTS are paths for pytest; tests/test_conformance.py by default. Exits with 1 if something is missing.
    """
    from coco_testing.packaging import packaging_problems

    problems = packaging_problems(_distribution())
    found, code = run_suites([*(tests or (str(TESTS),)), "--coco-strict"])
    if code:
        problems.append("tests failed")
    if not found["suites"]:
        problems.append("no conformance suite ran")
    elif not found["complete"]:
        problems.append("the conformance report is not complete: some checks failed, or did not run")
    for problem in problems:
        _note(f"PROBLEM: {problem}")
    if problems:
        sys.exit(1)
    click.echo("ready: the package is in order, and every ability is declared and shown")


def run_suites(arguments: list[str]) -> tuple[dict[str, Any], int]:
    """Run pytest; gives what ``--coco-claims`` writes, and the exit code. What pytest says goes to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        claims = Path(folder) / "claims.json"
        command = [sys.executable, "-m", "pytest", *arguments, "-q", f"--coco-claims={claims}"]
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if not claims.exists():
            raise click.ClickException("pytest did not run to its end; see its message")
        return json.loads(claims.read_text(encoding="utf-8")), code


def _distribution() -> str:
    """Name of the distribution whose folder this is."""
    try:
        return str(tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(
            f"run this in the folder of a plugin: pyproject.toml has no project with a name ({error})"
        ) from error


def _note(text: str) -> None:
    click.echo(text, err=True)
