"""The command ``coco-testing``: writes the claim of a suite, and checks a package before a release."""

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
@click.option("-w", "--write", is_flag=True, help="Write the claim into TESTS instead of printing it.")
def init(tests: Path, write: bool) -> None:
    """Run the suites in TESTS and print, for each, the claim: which abilities hold and which are refused.

    TESTS is tests/test_conformance.py by default. If the file does not exist, the command prints a suite for each
    operation of the plugin instead: fill in its open parts, then run the command again.
    """
    if not tests.exists():
        _first_file(tests, write=write)
        return
    found, code = run_suites([str(tests)])
    if not found["suites"]:
        raise click.ClickException(
            f"no suite in {tests} ran: subclass a suite of coco_testing in a class named Test..."
        )
    _claims(tests, found["suites"], write=write)
    sys.exit(code)


def _first_file(tests: Path, *, write: bool) -> None:
    from coco_testing.first_suite import suite_file

    text = suite_file(_distribution())
    if not write:
        click.echo(text, nl=False)
        _note(f"\n{tests} does not exist. Save the text above there, or run: coco-testing init --write")
        return
    tests.parent.mkdir(parents=True, exist_ok=True)
    tests.write_text(text, encoding="utf-8")
    _note(f"wrote {tests}. Fill in its open parts, then run: coco-testing init")


def _claims(tests: Path, suites: dict[str, Any], *, write: bool) -> None:
    from coco_testing.claims import insert_claim

    for name, told in suites.items():
        if not told["news"]:
            _note(f"{name}: all abilities are declared")
            continue
        source = tests.read_text(encoding="utf-8")
        changed = insert_claim(source, name, told["claim"], told["imports"]) if write else None
        if changed is not None:
            tests.write_text(changed, encoding="utf-8")
            _note(
                f'{name}: wrote the claim into {tests}. Write UNSUPPORTED("why") for an ability that is impossible'
            )
            continue
        if write:
            _note(f"{name} has a claim already, or is not in {tests}. Replace its claim by hand with:")
        click.echo("\n".join([*told["imports"], "", f"# in the body of {name}:", told["claim"]]))


@main.command()
@click.argument("tests", nargs=-1)
def check(tests: tuple[str, ...]) -> None:
    """Check that a plugin is ready for release: its installed package, and suites that declare all abilities and pass.

    TESTS are paths for pytest; tests/test_conformance.py by default. Exits with 1 if there is a problem.
    """
    from coco_testing.packaging import packaging_problems

    problems = packaging_problems(_distribution())
    found, code = run_suites([*(tests or (str(TESTS),)), "--coco-strict"])
    if code:
        problems.append("tests failed")
    if not found["suites"]:
        problems.append("no conformance suite ran")
    elif not found["complete"]:
        problems.append("the conformance report is incomplete: some checks failed or did not run")
    for problem in problems:
        _note(f"PROBLEM: {problem}")
    if problems:
        sys.exit(1)
    click.echo("ready: the package has no problems, all abilities are declared, and all checks pass")


def run_suites(arguments: list[str]) -> tuple[dict[str, Any], int]:
    """Run pytest. Returns what ``--coco-claims`` writes, and the exit code. Output of pytest goes to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        claims = Path(folder) / "claims.json"
        command = [sys.executable, "-m", "pytest", *arguments, "-q", f"--coco-claims={claims}"]
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if not claims.exists():
            raise click.ClickException("pytest did not finish; see its output above")
        return json.loads(claims.read_text(encoding="utf-8")), code


def _distribution() -> str:
    """Name of the distribution in the current folder."""
    try:
        return str(tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(
            f"run this in the folder of a plugin: cannot read project.name from pyproject.toml ({error})"
        ) from error


def _note(text: str) -> None:
    click.echo(text, err=True)
