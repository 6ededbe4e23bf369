"""The command line: which commands there are, and what becomes of every error.

stdout is data, stderr is narration, exit codes are an interface (`errors.ExitCode`). This is the one place where
exceptions become sentences; no traceback reaches a user.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from nemo_docs import __version__
from nemo_docs.commands.shared import setting_options
from nemo_docs.errors import ExitCode, NemoDocsError, UsageError
from nemo_docs.plain import printable

_WITHOUT_CURSOR = frozenset({"dumb", "unknown"})
"""Kinds of terminal on which nothing can be drawn at a place of its own."""
_OUTPUT_IS_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})


_COMMANDS = {
    "add": "add:add",
    "list": "listing:list_",
    "show": "listing:show",
    "pages": "pages:pages",
    "tag": "documents:tag",
    "remove": "documents:remove",
    "search": "search:search",
    "index": "index:index",
    "read": "read:read",
    "ask": "ask:ask",
    "model": "models:model",
    "kv": "kv:kv",
    "engine": "engine:engine",
    "bench": "bench:bench",
    "doctor": "doctor:doctor",
    "config": "config:config",
}
"""Each command's module and name in `nemo_docs.commands`, in the order in which they are used."""


class _Commands(click.Group):
    """Imports a command when it is asked for: the app and every other command start without it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in _COMMANDS:
            module, _, name = _COMMANDS[cmd_name].partition(":")
            self.add_command(getattr(import_module(f"nemo_docs.commands.{module}"), name))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, EOFError):
            raise click.Abort from None  # before click prints a blank line of its own


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `nemo-docs add FILE.pdf`, then `nemo-docs ask QUESTION`.",
)
@click.version_option(__version__, "-V", "--version", prog_name="nemo-docs", message="%(prog)s %(version)s")
@setting_options("in_process")
@click.pass_context
def cli(ctx: click.Context, /, **options: object) -> None:
    """Ask questions of long documents; answers quote the pages verbatim. Nothing leaves this machine.

    Without a command it opens the app. What the options say then holds for the app; commands have their own.

    Settings, library and models live in the platform's folders, or all under NEMO_DOCS_HOME when that is set.
    """
    if ctx.invoked_subcommand is None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            click.echo(ctx.get_help())
            return
        if (kind := os.environ.get("TERM", "")).lower() in _WITHOUT_CURSOR:
            raise UsageError(
                f"The app cannot be drawn on this terminal (TERM is {kind}).",
                hint="Set TERM to what it is, such as xterm-256color, or use the commands: see `nemo-docs --help`.",
            )
        gc.disable()  # the app has it on again once its first frame is drawn
        from nemo_docs.settings import load
        from nemo_docs.tui.app import open_app

        ctx.exit(open_app(load(options=options)))
    from nemo_docs.commands.progress import Upkeep
    from nemo_docs.library import upkeep

    upkeep.listen(Upkeep())


def run(arguments: Sequence[str]) -> int:
    """Carry out one command and return its exit code; errors have been told on stderr."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows its number instead of failing
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(list(arguments), prog_name="nemo-docs", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        return _told(error.format_message(), _usage_hint(error), ExitCode.USAGE)
    except click.ClickException as error:
        return _told(error.format_message(), "", ExitCode.FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to flush at exit
        return ExitCode.FAILED
    except NemoDocsError as error:
        return _told(error.message, error.hint, error.exit_code)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OUTPUT_IS_FULL and error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at exit
            hint = "Free some room: where the output goes, or in the folder for temporary files (TMPDIR)."
            return _told(f"Writing failed: {error.strerror}.", hint, ExitCode.FAILED)
        from nemo_docs import crash

        return _told(*crash.record(error), ExitCode.FAILED)
    return code if isinstance(code, int) else ExitCode.DONE


def _open_closed_streams() -> None:
    """Give streams that the caller has closed (`>&-`) to nowhere, before a file of ours gets their number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115  # for as long as the process runs
            if stream.fileno() != number:
                os.dup2(stream.fileno(), number)
            setattr(sys, name, stream)


def _told(message: str, hint: str, code: int) -> int:
    click.echo(f"Error: {printable(message)}", err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)
    return code


def _usage_hint(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "nemo-docs"
    dash = " Put -- before words that begin with a dash." if isinstance(error, click.NoSuchOption) else ""
    return f"See `{path} --help`.{dash}"
