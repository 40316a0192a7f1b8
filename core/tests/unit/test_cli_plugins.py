"""``coco plugins`` where plugins misbehave: each is named with its fault, and none takes another one with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAD = "from coco.plugins import *\nCOCO_API = 1\n"
OPS = (
    HEAD
    + "@hookimpl\ndef coco_ops(): return [OpManifest('target', {name!r}, '{module}:{name}', doc='{doc}')]\n"
)
COMMAND = "@hookimpl\ndef coco_cli_commands(): return [CommandManifest({name!r}, '{module}:command', doc='{doc}')]\n"
CLICK = "import click\n@click.command()\ndef command(): click.echo('waxing')\n"
PROGRAM = "from coco.cli import main; main()"


def good(name: str, module: str, doc: str = "") -> str:
    return OPS.format(name=name, module=module, doc=doc)


FAULTY = {
    "coco-target-importing": "import no_such_client_library\n" + HEAD,
    "coco-target-newer": HEAD + "COCO_API = 2\n",
    "coco-target-older": HEAD + "COCO_API = 0\n",
    "coco-target-leaving": "import sys\nsys.exit('no licence')\n",
    "coco-target-raising": HEAD + "@hookimpl\ndef coco_ops(): raise OSError('disk on fire')\n",
    "coco-target-misspelt": HEAD + "@hookimpl\ndef coco_opps(): return []\n",
}


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, source: str, *, version: str = "1.2") -> None:
        module = f"{name.replace('-', '_')}_plugin"
        self.announce(name, version, f"[coco.plugins]\n{name.removeprefix('coco-')} = {module}\n")
        (self.folder / f"{module}.py").write_text(source)

    def announce(self, name: str, version: str, entry_points: str) -> None:
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)

    def module(self, name: str, source: str) -> None:
        (self.folder / f"{name}.py").write_text(source)

    def coco(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(self.folder), os.environ.get("PYTHONPATH")]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COCO_")}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**kept, "PYTHONPATH": path, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def report(self, **environ: str) -> tuple[int, dict[str, Any]]:
        done = self.coco("plugins", "--json", **environ)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    source = good("Moon", "moon", "Rows on the moon.") + COMMAND.format(name="wax", module="moon", doc="Wax.")
    site.install("coco-target-moon", source)
    site.module("moon", CLICK + "class Moon: pass\n")
    return site


def test_each_faulty_plugin_is_disabled_alone_and_says_why(site: Site) -> None:
    for name, source in FAULTY.items():
        site.install(name, source)
    done = site.coco("plugins")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for name, reason in {
        "importing": "ModuleNotFoundError: No module named 'no_such_client_library'",
        "newer": "written for plugin API 2, this coco-core has 1: upgrade coco-core",
        "older": "written for plugin API 0, this coco-core has 1: upgrade the plugin",
        "leaving": "SystemExit: no licence",
        "raising": "OSError: disk on fire",
        "misspelt": "unknown hook 'coco_opps'",
    }.items():
        [line] = [line for line in lines if line.startswith(f"target-{name}  (coco-target-{name} 1.2)")]
        assert "DISABLED: " in line and reason in line
    assert "target-moon  (coco-target-moon 1.2)" in lines
    assert "    target Moon: Rows on the moon." in lines
    assert "The others work. More: coco plugins -v; to leave one out: COCO_PLUGINS=-NAME" in lines
    assert "Traceback" not in done.stdout
    verbose = site.coco("plugins", "-v").stdout
    assert "    | ModuleNotFoundError: No module named 'no_such_client_library'" in verbose.splitlines()
    assert site.coco("wax").stdout == "waxing\n"
    assert "wax" in site.coco("--help").stdout


def test_leaving_the_faulty_one_out(site: Site) -> None:
    site.install("coco-target-importing", FAULTY["coco-target-importing"])
    code, report = site.report(COCO_PLUGINS="-target-importing")
    plugins = {item["name"]: item for item in report["plugins"]}
    assert (code, plugins["target-importing"]["status"]) == (0, "skipped")
    assert plugins["target-importing"]["reason"] == "denied by COCO_PLUGINS"


def test_slow_plugin_works_and_is_named(site: Site) -> None:
    site.module("heavy_client_library", "import time\ntime.sleep(0.25)\n")
    site.install("coco-target-slow", "import heavy_client_library\n" + good("Slow", "slow"))
    done = site.coco("plugins", COCO_PLUGINS="target-slow")
    assert done.returncode == 0
    [line] = [line for line in done.stdout.splitlines() if "SLOW" in line]
    assert "with heavy_client_library; every command waits for that" in line
    assert "coco_target_slow_plugin must import nothing but coco.plugins" in line


class TestOneName:
    """Several say that they provide it."""

    def test_two_plugins_are_refused_until_the_user_picks(self, site: Site) -> None:
        site.install("coco-target-eclipse", good("Moon", "eclipse"))
        site.module("eclipse", "class Moon: pass\n")
        code, report = site.report()
        assert code == 1
        assert report["conflicts"] == {
            "target:Moon": ["target-eclipse (coco-target-eclipse 1.2)", "target-moon (coco-target-moon 1.2)"]
        }
        assert "set COCO_PLUGINS=target:Moon=target-eclipse to pick" in site.coco("plugins").stdout
        code, report = site.report(COCO_PLUGINS="target:Moon=target-moon")
        assert (code, report["conflicts"]) == (0, {})
        code, report = site.report(COCO_PLUGINS="-target-eclipse")
        assert (code, report["conflicts"]) == (0, {})

    def test_a_pick_that_cannot_be_met(self, site: Site) -> None:
        site.install("coco-target-eclipse", "1 / 0")
        done = site.coco("plugins", COCO_PLUGINS="target:Moon=target-eclipse")
        assert done.returncode == 1
        assert (
            "picks the plugin target-eclipse for target:Moon, which is disabled: ZeroDivisionError"
            in done.stdout
        )

    def test_two_distributions_announce_one_plugin(self, site: Site) -> None:
        site.announce("coco-target-moon-fork", "3", "[coco.plugins]\ntarget-moon = moon_fork\n")
        done = site.coco("plugins")
        assert done.returncode == 1
        assert done.stdout.count("both announce a plugin named target-moon: uninstall one of them") == 2

    def test_coco_s_own_commands_stay(self, site: Site) -> None:
        site.install("coco-greedy", HEAD + COMMAND.format(name="plugins", module="moon", doc="Mine now."))
        done = site.coco("plugins")
        assert done.returncode == 0
        assert "overridden: command:plugins is defined by coco.cli.commands.plugins:command" in done.stdout


class TestDamagedMetadata:
    """A file of one distribution must not hide all the others."""

    def test_of_a_plugin(self, site: Site) -> None:
        site.announce("coco-target-damaged", "1", "[coco.plugins]\nno equals sign\n")
        code, report = site.report()
        plugins = {item["name"]: item for item in report["plugins"]}
        assert plugins["target-moon"]["status"] == "loaded"
        assert (code, plugins["target-damaged"]["status"]) == (1, "disabled")
        assert "its metadata cannot be read" in plugins["target-damaged"]["reason"]
        assert "pip install --force-reinstall coco-target-damaged" in plugins["target-damaged"]["reason"]
        assert site.coco("wax").stdout == "waxing\n"

    def test_of_something_else(self, site: Site) -> None:
        site.announce("unrelated", "1", "[console_scripts]\nno equals sign\n")
        code, report = site.report()
        assert (code, "unrelated" in str(report)) == (0, False)

    def test_without_name_and_version(self, site: Site) -> None:
        site.announce("coco-target-nameless", "1", "[coco.plugins]\ntarget-nameless = nameless\n")
        (site.folder / "coco_target_nameless-1.dist-info" / "METADATA").unlink()
        site.module("nameless", good("Nameless", "x"))
        code, report = site.report()
        plugins = {item["name"]: item for item in report["plugins"]}
        assert (code, plugins["target-nameless"]["status"]) == (0, "loaded")


def test_store_that_cannot_be_imported_names_its_plugin(site: Site) -> None:
    stores = (
        "@hookimpl\ndef coco_state_stores(): return [StoreManifest('lunar', 'no_such_store:open_store')]\n"
    )
    site.install("coco-store-lunar", HEAD + stores)
    done = site.coco("ls", COCO_STATE_URL="lunar://x")
    assert done.returncode == 1
    assert "store:lunar is provided by the plugin store-lunar (coco-store-lunar 1.2), but" in done.stderr
    assert "No module named 'no_such_store'" in done.stderr
