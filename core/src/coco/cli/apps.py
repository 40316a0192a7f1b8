"""Loads the user's apps and chooses flows by specifier."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from coco.cli.failures import hiding_files, message, user_frames
from coco.cli.hints import remember_app
from coco.cli.output import say
from coco.errors import ClientError, wants_tracebacks

if TYPE_CHECKING:
    from coco.api.flow import Flow

APP_VARIABLE = "COCO_APP_TARGETS"
"""Environment variable with the apps that this process has loaded; child processes load them too."""


def warn(text: str) -> None:
    """Print a warning to standard error."""
    say(f"WARNING: {text}", err=True)


def prepare_process(env_file: str | None, app_dir: str | None, words: Sequence[str] = ()) -> None:
    """Prepare the process for a command: load ``.env``, then add the folder to import apps from.

    words: the command line. If the app in it has the name of a standard module, the standard module is imported first.
    """
    from coco import env_file as env_files
    from coco.cli.logs import prepare_logs
    from coco.cli.signals import arm

    prepare_logs()
    arm(allow=True)
    if env_file is not None:
        _name_env_file(env_files.VARIABLE, os.path.abspath(env_file))
    path = env_files.chosen_env_file()
    env_files.note_env_file_read()
    if path is not None:
        try:
            env_files.use_env_file(path)
        except ClientError as error:
            raise click.UsageError(str(error)) from error
        say(f"Loaded environment variables from: {path}", err=True)
    folder = os.path.abspath(app_dir or os.curdir)
    if os.path.isfile(os.path.join(folder, "json.py")):
        _import_standard("json", folder)  # commands print JSON with it
    for word in words:
        app = Path(folder, word.partition(":")[0])
        if _is_standard(app.stem) and app.with_suffix(".py").is_file():
            _import_standard(app.stem, str(app.parent))
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def _name_env_file(variable: str, path: str) -> None:
    """Make child processes read the same file as this command."""
    before = os.environ.get(variable)
    os.environ[variable] = path

    def restore() -> None:
        os.environ.pop(variable, None)
        if before is not None:
            os.environ[variable] = before

    context = click.get_current_context(silent=True)
    if context is not None:
        context.find_root().call_on_close(restore)


@dataclass(frozen=True)
class Specifier:
    """``app[:flow]``."""

    app: str
    flow: str | None = None


def parse_specifier(text: str) -> Specifier:
    """Split at the first colon; an invalid part raises ``click.BadParameter``, a usage error."""
    start = 2 if os.name == "nt" and re.match(r"[A-Za-z]:[\\/]", text) else 0
    colon = text.find(":", start)
    app, flow = (text, "") if colon < 0 else (text[:colon], text[colon + 1 :])
    if not app.strip():
        raise click.BadParameter(f"Application module/path part is missing or invalid in '{text}'")
    if flow and not flow.isidentifier():
        raise click.BadParameter(f"Flow name '{flow}' in '{text}' is not a valid Python identifier")
    return Specifier(app, flow or None)


def load_app(target: str) -> dict[str, Flow]:
    """Import an app; returns its flows by name.

    Raises ``click.ClickException`` (exit code 1) with the place in the user's code if that fails.
    """
    from coco.api.registry import flows

    before = set(flows())
    # Modules of coco live until the end; otherwise the interpreter would search them for cycles twice at exit.
    gc.freeze()
    try:
        if os.sep in target or (os.altsep and os.altsep in target) or target.endswith(".py"):
            module = _load_file(target)
        else:
            module = _load_module(target)
    except (Exception, SystemExit) as error:
        if wants_tracebacks():
            raise
        cause = "it called sys.exit()" if isinstance(error, SystemExit) else message(error)
        text = "\n".join(
            [f"Failed to load APP_TARGET '{target}': {cause}", *user_frames(error), *hiding_files(error)]
        )
        raise click.ClickException(text) from error
    loaded = os.environ.get(APP_VARIABLE, "").split(os.pathsep)
    place = getattr(module, "__file__", None) if target.endswith(".py") else target
    os.environ[APP_VARIABLE] = os.pathsep.join(dict.fromkeys([*filter(None, loaded), place or target]))
    known = flows()
    # A module that was imported before registers nothing now; then the app has all flows of the process.
    return (
        known if before >= set(known) else {name: flow for name, flow in known.items() if name not in before}
    )


def _load_module(name: str) -> ModuleType:
    if Path(name).is_file():
        raise ClientError(f"{name} is not a Python file: its name must end in .py")
    if _is_standard(name) and Path(name + ".py").is_file():
        return _load_file(name + ".py")
    if Path(name).is_dir() and not (Path(name) / "__init__.py").is_file():
        raise ClientError(f"{name} is a folder and not a Python package; name a file in it")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            hint = f"; did you mean {name}.py?" if Path(name + ".py").is_file() else ""
            raise ClientError(f"there is no module '{error.name}'{hint}") from None
        raise


def _load_file(target: str) -> ModuleType:
    path = Path(target).resolve()
    if not path.is_file():
        what = f"{path} is a folder; name a file in it" if path.is_dir() else f"there is no file {path}"
        raise ClientError(what)
    name = _module_name(path)
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ClientError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    known = folder in sys.path
    sys.path.insert(0, folder)
    sys.modules[name] = module  # dataclasses, pickle and inspect look modules up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.path.remove(folder)
        if not known:
            sys.path.append(folder)  # for imports inside functions, after all other folders
    return module


def _module_name(path: Path) -> str:
    """The file's stem; another name if a module of that name is loaded already."""
    stem = path.stem
    if _is_standard(stem):
        _import_standard(stem, str(path.parent))
        warn(
            f"{path.name} has the name of a module of Python's standard library, {stem}, which other code imports; it is "
            f"loaded as {stem}_app. Give it another name"
        )
        return f"{stem}_app"
    other = sys.modules.get(stem)
    if other is not None:
        if _same_file(getattr(other, "__file__", None), path):
            return stem
        warn(
            f"{path.name} has the name of a module that is loaded already, {stem}; it is loaded as {stem}_app"
        )
        return f"{stem}_app"
    try:
        spec = importlib.util.find_spec(stem) if stem.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin is not None and not _same_file(spec.origin, path):
        warn(f"{path.name} hides an installed module of the same name, {stem}")
    return stem


_UNUSED = frozenset({"antigravity", "idlelib", "test", "this", "turtle", "turtledemo"})
"""Modules of the standard library that no other module imports."""


def _is_standard(name: str) -> bool:
    return name in sys.stdlib_module_names and name not in _UNUSED


def _import_standard(name: str, folder: str) -> None:
    """Import a module of the standard library although ``folder`` has a file of the same name."""
    path = sys.path[:]
    sys.path[:] = [item for item in path if os.path.abspath(item) != folder]
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # a module of another platform
    finally:
        sys.path[:] = path


def _same_file(name: str | None, path: Path) -> bool:
    return name is not None and os.path.realpath(name) == str(path)


def need_lasting_state(command: str) -> None:
    """Raise unless state outlives the command; otherwise targets would stay without a record of them."""
    from coco.environment.environment import ENVIRONMENT
    from coco.errors import CocoError

    if not ENVIRONMENT.is_persistent:
        raise CocoError(
            f"coco {command} needs a state that lasts: state in memory:// ends with the command, and the next "
            "command would have no record of the rows in the targets. Set COCO_STATE_URL=sqlite:///PATH, or do not set "
            "it; show, plan and evaluate work with memory://"
        )


def load_flows(text: str) -> dict[str, Flow]:
    """All flows of an app; a flow part is ignored with a warning, no flow at all is an error."""
    specifier = parse_specifier(text)
    remember_app(text)
    if specifier.flow is not None:
        warn(f"the flow name '{specifier.flow}' is ignored: this command applies to the whole app")
    return _some(load_app(specifier.app), specifier.app)


def load_chosen(text: str) -> dict[str, Flow]:
    """The flow that a specifier names, or all flows of the app."""
    specifier = parse_specifier(text)
    remember_app(text)
    found = _some(load_app(specifier.app), specifier.app)
    return found if specifier.flow is None else {specifier.flow: _by_name(found, specifier.flow)}


def load_one(text: str) -> Flow:
    """The flow that a specifier names, the only flow of the app, or the one that the user chooses."""
    specifier = parse_specifier(text)
    remember_app(text)
    found = load_app(specifier.app)
    if specifier.flow is not None:
        return _by_name(found, specifier.flow)
    if not found:
        raise click.UsageError(f"No flows are defined in '{specifier.app}'")
    if len(found) == 1:
        return next(iter(found.values()))
    from coco.cli.output import is_interactive

    if not is_interactive():
        raise click.UsageError(
            f"'{specifier.app}' defines several flows; name one: "
            + ", ".join(f"{specifier.app}:{name}" for name in sorted(found))
        )
    name = click.prompt("Select a flow", type=click.Choice(sorted(found)), err=True)
    return found[name]


def _some(found: dict[str, Flow], app: str) -> dict[str, Flow]:
    if not found:
        raise click.ClickException(f"No flows are defined in '{app}'")
    return found


def _by_name(found: dict[str, Flow], name: str) -> Flow:
    if name not in found:
        raise click.UsageError(f"Flow '{name}' not found. Available: {', '.join(sorted(found)) or 'none'}")
    return found[name]
