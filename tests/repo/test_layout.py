"""The house is in order: each distribution has what it must, and manifests, settings and lists agree."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import workspace
from tracked_files import tracked_files

ROOT = Path(__file__).resolve().parents[2]

MEMBERS = workspace.members()
PLUGINS = {
    name: member
    for name, member in MEMBERS.items()
    if "entry-points" in member.project and "coco.plugins" in member.project["entry-points"]
}
MANIFESTS = sorted([*ROOT.glob("[a-z]*/pyproject.toml"), *ROOT.glob("[a-z]*/*/pyproject.toml")])
MANIFESTS += sorted(ROOT.glob("examples/*/*/pyproject.toml"))
NEWEST_OF_OTHERS = (0, 0)
"""Release 0.0.2 of a coco-core that has nothing to do with this one is on the package index."""
every = pytest.mark.parametrize("name", MEMBERS)
every_plugin = pytest.mark.parametrize("name", PLUGINS)


def package_of(name: str) -> Path:
    (found,) = (path.parent for path in (MEMBERS[name].folder / "src").glob("*/__init__.py"))
    return found


def root_settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@every
def test_files_of_a_distribution(name: str) -> None:
    member = MEMBERS[name]
    assert member.folder.name in (name, "core")
    assert (member.folder / "README.md").read_text().startswith(f"# {name}\n")
    assert f"\n## {member.version}" in (member.folder / "CHANGELOG.md").read_text()
    assert (member.folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (package_of(name) / "py.typed").is_file()
    assert package_of(name).name == ("coco" if name == "coco-core" else name.replace("-", "_"))
    assert list((member.folder / "tests").rglob("test_*.py")), "no tests"


@every
def test_no_package_is_forgotten(name: str) -> None:
    """Folders of modules without __init__.py are left out of the wheel."""
    for module in (MEMBERS[name].folder / "src").rglob("*.py"):
        assert (module.parent / "__init__.py").is_file(), module.relative_to(ROOT)


@every
def test_own_settings_are_metadata_only(name: str) -> None:
    """Rules live in the root file alone."""
    tools = tomllib.loads((MEMBERS[name].folder / "pyproject.toml").read_text()).get("tool", {})
    assert set(tools) <= {"hatch", "setuptools"}


@every
def test_requirements_are_ranges(name: str) -> None:
    member = MEMBERS[name]
    for requirement in member.requirements(member.extras):
        own = workspace.requirement_name(requirement)
        assert "==" not in requirement.partition(";")[0], requirement
        if own == name:
            continue
        assert ">=" in requirement, requirement


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_requirements_of_our_own_are_met_by_ours_alone(file: Path) -> None:
    """Where wheels of ours are no further than an index: somebody else publishes a package under one of the names."""
    project = tomllib.loads(file.read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    for requirement in [*project.get("dependencies", ()), *(item for extra in extras for item in extra)]:
        own = workspace.requirement_name(requirement)
        if own in MEMBERS and own != project["name"]:
            bounds = re.fullmatch(r"[\w-]+(?:\[[\w,-]+\])?>=(\d+)\.(\d+),<\d+(?:\.\d+)?", requirement)
            assert bounds is not None, requirement
            assert (int(bounds[1]), int(bounds[2])) > NEWEST_OF_OTHERS, requirement


@every_plugin
def test_entry_point_by_convention(name: str) -> None:
    entries = PLUGINS[name].project["entry-points"]["coco.plugins"]
    assert entries == {name.removeprefix("coco-"): f"{package_of(name).name}._plugin"}


@every_plugin
def test_plugin_module_is_light(name: str) -> None:
    for path in (package_of(name) / "_plugin.py", package_of(name) / "__init__.py"):
        imported = {module for module, _ in imports(path)}
        assert imported <= {"__future__", "coco.plugins", "pluggy", "typing", "collections.abc"}, path


@every_plugin
def test_hints_name_the_distribution(name: str) -> None:
    """Where one of our plugins is missing, the error about its names says what to install."""
    from coco.plugins.hints import distribution_for
    from coco.plugins.manifest import OpManifest

    plugin = __import__(f"{package_of(name).name}._plugin", fromlist=["coco_ops"])
    for command in getattr(plugin, "coco_cli_commands", list)():
        assert command.doc, command.name
        assert distribution_for("command", command.name) == name, command.name
    for op in getattr(plugin, "coco_ops", list)():
        assert isinstance(op, OpManifest)
        assert op.doc, op.name
        assert op.target.startswith(f"{package_of(name).name}."), op.target
        assert distribution_for(op.category, op.name) == name, op.name


def test_our_own_suites_have_to_declare_every_ability(request: pytest.FixtureRequest) -> None:
    assert request.config.getoption("--coco-strict") is True


def test_lines_of_data_end_as_files_have_them() -> None:
    """``str.splitlines`` also cuts at eight characters that belong to a line, such as form feed and U+2028."""
    code = [
        path
        for path in tracked_files()
        if path.suffix == ".py" and "tests" not in path.relative_to(ROOT).parts
    ]
    assert [path.relative_to(ROOT) for path in code if ".splitlines(" in path.read_text()] == []


def test_hints_name_only_what_exists() -> None:
    """Nobody is told to install a package that there is not; what is planned is said to be."""
    from coco.plugins.hints import _hints

    hints = _hints()
    planned = hints["planned"]
    known = {category: names for category, names in hints.items() if category != "planned"}
    assert {name for names in known.values() for name in names.values()} <= set(MEMBERS)
    assert [
        name for category in planned for name in planned[category] if name in known.get(category, {})
    ] == []


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, absolute ones only, and whether it does so when it is itself imported."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, at_once: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.append((node.module, at_once))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return  # never imported
        lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Try))
        for child in ast.iter_child_nodes(node):
            visit(child, at_once and not lazy)

    visit(ast.parse(path.read_text()), True)
    return found


@cache
def distributions() -> dict[str, set[str]]:
    found = importlib.metadata.packages_distributions()
    return {module: {workspace.requirement_name(name) for name in names} for module, names in found.items()}


@every
def test_imports_are_declared(name: str) -> None:
    """What is imported with a module is a dependency; what a function imports may be an extra."""
    member = MEMBERS[name]
    always = {workspace.requirement_name(item) for item in member.requirements()} | {name}
    ever = always | {workspace.requirement_name(item) for item in member.requirements(member.extras)}
    free = {"cython", "pydantic_core"}  # kernels have a stand-in; pydantic pins its core
    for path in sorted(package_of(name).rglob("*.py")):
        for module, at_once in imports(path):
            top = module.partition(".")[0]
            if top in sys.stdlib_module_names or top in free or top == package_of(name).name:
                continue
            ours = "coco-core" if top == "coco" else top.replace("_", "-")
            owners = {ours} if ours in MEMBERS else distributions().get(top, {f"distribution of {top}"})
            allowed = always if at_once else ever
            assert owners & allowed, (
                f"{path.relative_to(ROOT)} imports {module}, which {name} does not declare"
            )


def test_tests_are_no_packages() -> None:
    folders = [ROOT / "tests", *(member.folder / "tests" for member in MEMBERS.values())]
    assert [path for folder in folders for path in folder.rglob("__init__.py")] == []


def test_modules_that_tests_share_are_found_by_settings() -> None:
    """By `pythonpath` alone: a test that changes the path changes it for all tests that follow in its process."""
    settings = root_settings()["tool"]["pytest"]["ini_options"]
    folders = [ROOT / name for name in settings["pythonpath"]]
    assert [folder for folder in folders if not folder.is_dir()] == []
    inserts = re.compile(r"sys\.path\.(?:insert|append|extend)\(")
    tests = [
        path for path in tracked_files() if path.suffix == ".py" and "tests" in path.relative_to(ROOT).parts
    ]
    assert [path.relative_to(ROOT) for path in tests if inserts.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("goal", "parts"),
    [
        (
            "check",
            ["ruff check", "mypy", "lint-imports", '-m "not slow" --hypothesis-profile=dev core/tests'],
        ),
        (
            "test",
            ["ruff check", "mypy", "lint-imports", "--hypothesis-profile=ci --durations=20", "COCO_PURE=1"],
        ),
        ("test-long", ["mypy", "CRASHES=long", "--hypothesis-profile=long", "COCO_PURE=1"]),
    ],
)
def test_what_make_runs(goal: str, parts: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", goal]
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert [part for part in parts if part not in shown.stdout] == []


def test_kernels_are_tested_in_both_forms() -> None:
    """What `make test` runs with COCO_PURE=1: in every distribution with kernels, the tests that are marked so."""
    found = re.search(r"^PURE := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    folders = {ROOT / name for name in found.group(1).split()}
    assert folders == {
        member.folder / "tests"
        for member in MEMBERS.values()
        if list((member.folder / "src").glob("*/hot/*_cy.py"))
    }
    for folder in folders:
        marked = [path for path in folder.rglob("test_*.py") if "pytest.mark.kernels" in path.read_text()]
        assert len(marked) >= 3, folder


def test_profiles_scale_all_examples() -> None:
    """A number of its own makes a test as long in `make check` as at night."""
    literal = re.compile(r"max_examples=\s*\d")
    tests = [
        path for path in tracked_files() if path.suffix == ".py" and "tests" in path.relative_to(ROOT).parts
    ]
    assert [path.relative_to(ROOT) for path in tests if literal.search(path.read_text())] == []


def test_tox_has_every_distribution() -> None:
    text = (ROOT / "tox.ini").read_text()
    listed = re.search(r"env_list =\n((?:    \S+\n)+)", text)
    assert listed is not None
    names = {member.tox_env for member in MEMBERS.values()} | {"core-pure"}
    assert set(listed.group(1).split()) == {f"py3{{11,12,13}}-{name}" for name in names}
    for member in MEMBERS.values():
        folder = member.folder.relative_to(ROOT).as_posix()
        assert f"    {member.tox_env}: ./{folder}[test]\n" in text
        assert f"    {member.tox_env}: python -m pytest {folder}/tests " in text


def test_make_test_runs_all_tests() -> None:
    """Every folder with tests is under what pytest runs by default."""
    patterns = root_settings()["tool"]["pytest"]["ini_options"]["testpaths"]
    covered = [path for pattern in patterns for path in ROOT.glob(pattern)]
    outside = (
        ROOT / "examples" / "third-party"
    )  # built, installed and run by tests/packaging/test_third_party.py
    for test in tracked_files():
        if re.fullmatch(r"test_\w+\.py", test.name) and outside not in test.parents:
            assert any(folder in test.parents for folder in covered), test.relative_to(ROOT)


# --- what must not be in any file


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found.append((path, data.decode("utf-8", errors="replace")))
    return found


# Written so that this file does not hold what it looks for.
REGISTRIES = re.compile(
    r"(?:test\.)?py[p]i\.(?:org|python)|files\.pythonh[o]sted|registry\.n[p]mjs|registry\.yarnp[k]g|crates[.]io|"
    r"proxy\.gol[a]ng|repo1?\.m[a]ven|(?:extra-)?index[-]url|default[-]index|conda\.an[a]conda|docker[.]io|gh[c]r\.io",
    re.IGNORECASE,
)


def test_no_registry_is_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts()
        for match in REGISTRIES.finditer(text)
    ]
    assert found == []


def test_no_path_of_this_machine() -> None:
    places = {f"{ROOT}", f"{ROOT.parent}/", f"{Path.home()}/"} - {"//", f"{tempfile.gettempdir()}/"}
    found = [
        f"{path.relative_to(ROOT)}: {place}" for path, text in texts() for place in places if place in text
    ]
    assert found == []
