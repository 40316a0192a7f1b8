"""What coco-core brings itself, by the hooks that a plugin has: state stores, a runner, the commands of the program.

The loader starts this plugin before all others and without a search; ``COCO_PLUGINS`` has no say in it. Import paths
stand here as text, so nothing of what they name is imported before it is used.
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
        _command("setup", "Create or adapt targets and state to the flows.", takes="app"),
        _command("update", "Bring targets up to date with their sources.", takes="flow"),
        _command("plan", "Say what setup and update would do.", takes="flow"),
        _command("apply", "Carry out a plan, unless things have moved since."),
        _command("evaluate", "Run a flow into files, touching no target.", takes="flow"),
        _command("verify", "Compare targets with what they should hold.", takes="flow"),
        _command("errors", "List the rows that failed.", takes="flow"),
        _command("retry", "Update, and retry quarantined rows.", takes="flow"),
        _command("drop", "Remove targets and state of flows.", takes="app"),
        _command("cache", "Show or prune the results that functions with cache=True returned."),
        _command("unlock", "Take the lease of a flow from a process that no longer works."),
        _command("settings", "Show the settings in force and where they come from."),
        _command("plugins", "List plugins and what is wrong with them."),
        _command("stubs", "Tell type checkers what the installed plugins provide."),
    ]


def _command(name: str, doc: str, takes: str = "") -> CommandManifest:
    return CommandManifest(name, f"coco.cli.commands.{name}:command", doc=doc, takes=takes)
