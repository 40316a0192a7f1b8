"""What coco-core provides, through the hooks of a plugin: state stores, a runner, the commands of the program.

The loader loads this plugin before all others and without a search; ``COCO_PLUGINS`` does not affect it. Import paths are
text, so that a module is imported at first use.
"""

from __future__ import annotations

from coco.plugins import CommandManifest, RunnerManifest, StoreManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_state_stores() -> list[StoreManifest]:
    """Stores that need no server."""
    return [
        StoreManifest("sqlite", "coco.state.sqlite:open_store", doc="State in one SQLite file."),
        StoreManifest(
            "memory",
            "coco.state.memory:open_store",
            doc="State that ends with the process.",
            persistent=False,
        ),
    ]


@hookimpl
def coco_runners() -> list[RunnerManifest]:
    """Where functions with ``gpu=True`` run."""
    return [
        RunnerManifest(
            "process", "coco.engine.subprocess:ProcessRunner", doc="A child process for each function."
        )
    ]


@hookimpl
def coco_resolve_secret(ref: str) -> str | None:
    """``env:NAME`` and ``file:PATH``."""
    from coco.environment.secret_sources import read_secret

    return read_secret(ref)


@hookimpl
def coco_cli_commands() -> list[CommandManifest]:
    """Commands, in the order of ``coco --help``."""
    return [
        _command("init", "Write a small project that runs."),
        _command("show", "Show a flow: its operations and its fields.", takes="flow"),
        _command("ls", "List flows."),
        _command("setup", "Create or change targets and state as the flows require.", takes="app"),
        _command("update", "Bring targets up to date with their sources.", takes="flow"),
        _command("plan", "Show what setup and update would do.", takes="flow"),
        _command("apply", "Carry out a plan if it is still valid."),
        _command(
            "evaluate", "Evaluate a flow and write the results to files instead of targets.", takes="flow"
        ),
        _command("verify", "Compare targets with what they should hold.", takes="flow"),
        _command("errors", "List the rows that failed.", takes="flow"),
        _command("retry", "Update, and retry quarantined rows.", takes="flow"),
        _command("drop", "Remove targets and state of flows.", takes="app"),
        _command("cache", "Show or prune the results that functions with cache=True returned."),
        _command("unlock", "Release the lease of a flow whose process no longer runs."),
        _command("settings", "Show the settings in force and where they come from."),
        _command("plugins", "List the plugins, and the problems of each."),
        _command("stubs", "Tell type checkers what the installed plugins provide."),
    ]


def _command(name: str, doc: str, takes: str = "") -> CommandManifest:
    return CommandManifest(name, f"coco.cli.commands.{name}:command", doc=doc, takes=takes)
