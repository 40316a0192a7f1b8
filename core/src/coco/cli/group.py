"""The command group: lists the commands without importing them."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from coco.cli.output import say
from coco.cli.streams import (
    drop_output,
    give_stdout_back,
    note_failure,
    one_document,
    write_failure,
)
from coco.errors import CocoError
from coco.printable import printable

if TYPE_CHECKING:
    from coco.plugins import CommandManifest
    from coco.plugins.loader import PluginHost


def own_commands() -> dict[str, CommandManifest]:
    """The built-in commands by name, in the order of ``coco --help``. Does not search for plugins."""
    from coco.plugins.built_in import built_in_plugin

    return {item.name: item for item in built_in_plugin().commands}


class _Kept(io.StringIO):
    """Collects what click prints, with escape sequences: click drops them without a terminal, ``say`` shows them."""

    def isatty(self) -> bool:
        return True


class LazyGroup(click.Group):
    """A group that imports a command when it runs. Commands of plugins follow the built-in ones."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As in click, but control characters in messages are escaped, and ``--json`` prints one document."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        words = list(sys.argv[1:] if args is None else args)
        with one_document(words):
            code = 1
            try:
                found = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
                code = found if isinstance(found, int) else 0
            except click.ClickException as error:
                code = error.exit_code
                shown = _Kept()
                error.show(file=shown)
                say(shown.getvalue().rstrip("\n"), err=True)
                usage = isinstance(error, click.UsageError)
                note_failure("UsageError" if usage else "CommandError", error.format_message())
            except SystemExit as end:  # code of the app or of a plugin called sys.exit()
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                raise
            except click.Abort:
                say("Aborted!", err=True)
            finally:
                if code:
                    write_failure(code)
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = own_commands()
        return [*own, *(name for name in self._plugin_docs() if name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from coco.plugins.manifest import load_target

        own = own_commands().get(cmd_name)
        found: Any = _host().load(f"command:{cmd_name}") if own is None else load_target(own.target)
        if found is not None and own is None:
            give_stdout_back()
        if found is not None and not isinstance(found, click.Command):
            raise click.ClickException(f"the plugin's command '{cmd_name}' is not a click command: {found!r}")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # Before the command is looked up: .env may choose plugins, and a plugin may bring the command.
        if not ctx.resilient_parsing and "--help" not in args:
            from coco.cli.apps import prepare_process

            prepare_process(ctx.params.get("env_file"), ctx.params.get("app_dir"), args[1:])
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            advice = _missing_command(args[0])
            if advice:
                ctx.fail(advice)
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not close:
                raise
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{close[0]}'?")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        docs = {**self._plugin_docs(), **{name: item.doc for name, item in own_commands().items()}}
        rows = [(name, docs[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. An error that the user can fix becomes one message, Ctrl-C becomes exit code 130."""
        from coco.cli.failures import report
        from coco.cli.signals import INTERRUPTED, TERMINATED, Terminated

        ctx.call_on_close(_stop_runtime)
        try:
            super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort) as error:
            ctx.meta[_INTERRUPTED_MARK] = True
            text = "Interrupted. Everything done so far is kept; the next update continues from there."
            say(f"\n{text}", err=True)
            note_failure("Interrupted", text)
            ctx.exit(TERMINATED if isinstance(error, Terminated) else INTERRUPTED)
        except BrokenPipeError:
            drop_output()
            ctx.exit(1)
        except Exception as error:
            report(error)
            ctx.exit(1)

    def _plugin_docs(self) -> dict[str, str]:
        try:
            return {printable(item.name): printable(item.doc) for item in _host().commands()}
        except CocoError as error:  # help must work even if plugins fail
            say(f"WARNING: {error}", err=True)
            return {}


def _host() -> PluginHost:
    from coco.plugins import plugin_host

    return plugin_host()


def _missing_command(name: str) -> str:
    """Advice for a command that comes with a known distribution; empty for other commands."""
    from coco.plugins import distribution_for

    distribution = distribution_for("command", name)
    if distribution is None:
        return ""
    for plugin in _host().plugins:
        if plugin.distribution()[0] == distribution and not plugin.loaded:
            return (
                f"'coco {name}' comes with {distribution}, whose plugin is {plugin.status}: {plugin.reason}"
            )
    return f"'coco {name}' comes with {distribution}, which is not installed: pip install {distribution}"


STOP_SECONDS = 10.0
STOP_SECONDS_INTERRUPTED = 0.5
"""Seconds that the end of the program waits for code of users and plugins that hangs."""
_INTERRUPTED_MARK = "coco.interrupted"


def _stop_runtime() -> None:
    import threading

    module = sys.modules.get("coco.environment.environment")
    if module is None:
        return
    stopping = threading.Thread(target=module.ENVIRONMENT.stop, name="coco-stop", daemon=True)
    stopping.start()
    interrupted = _INTERRUPTED_MARK in click.get_current_context().meta
    stopping.join(STOP_SECONDS_INTERRUPTED if interrupted else STOP_SECONDS)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import coco

        say(f"coco {coco.__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"max_content_width": 100})
@click.option(
    "-e",
    "--env-file",
    type=click.Path(exists=True, dir_okay=False),
    help="File with environment variables. Default: the nearest .env, from here upwards.",
)
@click.option(
    "-d",
    "--app-dir",
    type=click.Path(exists=True, file_okay=False),
    help="Folder to import apps from. Default: the current one.",
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli(env_file: str | None, app_dir: str | None) -> None:
    """Keep derived data fresh: flows of sources, functions and targets.

    APP_TARGET is a Python file or a module that defines flows; APP_FLOW_SPECIFIER is the same, with :FLOW
    after it to choose one. COCO_TRACEBACK=1 shows tracebacks.
    """
