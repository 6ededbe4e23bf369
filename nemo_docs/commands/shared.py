"""What the commands have in common: options, JSON lines, the library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from nemo_docs.commands.scope import Scope, parse_scope
from nemo_docs.errors import UsageError
from nemo_docs.kinds import Switch
from nemo_docs.plain import json_line
from nemo_docs.settings import help_of, kind_of, load

if TYPE_CHECKING:
    from nemo_docs.library.reader import LibraryReader

_Function = TypeVar("_Function", bound=Callable[..., Any])

EVENT_VERSION = 1
"""Of the shape of every JSON line."""


def json_option(function: _Function) -> _Function:
    """Add `--json`: one event a line on stdout instead of text for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")(function)


def in_option(function: _Function) -> _Function:
    """Add `--in DOC[:PAGES]|TAG`, which may be given again and again; passed on as `scopes`."""
    return click.option(
        "--in",
        "scopes",
        metavar="DOC[:PAGES]|TAG",
        multiple=True,
        callback=_scopes,
        help="Only this document, or these pages of it, such as a:3-7,12, or the documents of this collection. A name "
        "is a handle, else a whole collection, else a path, else part of a title. May be repeated.",
    )(function)


def setting_options(*names: str) -> Callable[[_Function], _Function]:
    """Add an option for each of these settings, with the setting's own help; `settings.load` checks what they hold."""

    def add(function: _Function) -> _Function:
        for name in reversed(names):
            flag = f"--{name.replace('_', '-')}"
            if isinstance(kind_of(name), Switch):
                both = f"{flag}/--no-{flag.removeprefix('--')}"
                function = click.option(both, name, default=None, help=help_of(name))(function)
            else:
                function = click.option(flag, name, metavar="VALUE", help=help_of(name))(function)
        return function

    return add


def read_password() -> str:
    """A password: asked for on a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\n")


def text_or_stdin(text: str) -> str:
    """Return `text`, or all of standard input where it is `-`.

    Raises:
        UsageError: There is nothing but white space, or standard input is not UTF-8.
    """
    if text == "-":
        try:
            text = standard_input().read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"Standard input is not UTF-8: {error.reason} at byte {error.start}.") from error
    if not text.strip():
        raise UsageError("The text is empty.", hint="Give it as an argument, or `-` to read standard input.")
    return text.strip()


def standard_input() -> BinaryIO:
    """Standard input in bytes; who types is told how to end."""
    if sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        click.echo(f"Reading from the terminal; end with {end} on a line of its own.", err=True)
    return sys.stdin.buffer


def example(*lines: str) -> str:
    """An epilog with examples, one a line, that click does not wrap."""
    return "\b\nExamples:\n" + "\n".join(f"  nemo-docs {line}" for line in lines)


def emit(event: str, fields: Mapping[str, Any]) -> None:
    """Print one event as a line of JSON on stdout."""
    emit_line({"v": EVENT_VERSION, "event": event, **fields})


def emit_line(event: Mapping[str, Any]) -> None:
    """Print plain data as a line of JSON on stdout."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    click.echo(json_line(event, ascii_only=not utf8))


def open_reader() -> LibraryReader:
    """Open the library to read; it need not exist yet.

    Raises:
        LibraryError: The database cannot be read.
        SettingsError: The settings are wrong.
    """
    from nemo_docs.library.reader import LibraryReader

    return LibraryReader(load().paths.library)


def _scopes(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Scope, ...]:
    return tuple(parse_scope(value) for value in values)
