"""`nemo-docs config`: what is set, where it came from, and how to change it."""

from __future__ import annotations

import dataclasses

import click

from nemo_docs import settings
from nemo_docs.commands.shared import emit, example, json_option
from nemo_docs.errors import NothingFound
from nemo_docs.paths import Paths
from nemo_docs.plain import printable

_PLACES = tuple(each.name for each in dataclasses.fields(Paths))


@click.group(
    invoke_without_command=True,
    epilog=example(
        "config", "config set model nemo", "config set keys.quit ctrl+x", "config unset model", "config path"
    ),
)
@click.pass_context
def config(ctx: click.Context) -> None:
    """Show and change settings.

    A setting comes from its default, the settings file, an environment variable NEMO_DOCS_NAME, or a command's option;
    later ones win. Those that begin with `keys.` give an action of the app other keys, and come from the file alone.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@config.command(epilog=example("config show", "config show --json"))
@json_option
def show(as_json: bool = False) -> None:
    """Show every setting and where it came from."""
    found = settings.load()
    for name in settings.names():
        value, origin = settings.value_of(found.settings, name), found.origins[name]
        if as_json:
            emit("setting", {"name": name, "value": value, "origin": origin, "help": settings.help_of(name)})
        else:
            click.echo(printable(f"{name} = {settings.shown(value)}"))
            click.echo(printable(f"    from {origin}. {settings.help_of(name)}"))


@config.command(
    "set", epilog=example("config set budget 120", "config set theme nemo-light", "config set keys.quit ctrl+x")
)
@click.argument("name")
@click.argument("value")
def set_(name: str, value: str) -> None:
    """Write a setting into the settings file; comments there are kept."""
    from nemo_docs.settings_file import set_value

    path = Paths.find().config
    understood = set_value(path, name, value)
    click.echo(printable(f"{name} = {understood}, in {path}"), err=True)


@config.command(epilog=example("config unset budget"))
@click.argument("name")
def unset(name: str) -> None:
    """Take a setting out of the file; its default holds again."""
    from nemo_docs.settings_file import unset as take_out

    path = Paths.find().config
    if not take_out(path, name):
        raise NothingFound(f"{name} is not in {path}.", hint="`nemo-docs config` shows where each value comes from.")
    click.echo(printable(f"{name} is no longer in {path}"), err=True)


@config.command(epilog=example("config path", "config path library"))
@click.argument("place", type=click.Choice(_PLACES), default="config")
def path(place: str) -> None:
    """Print where the settings file is, or another PLACE."""
    paths = Paths.find() if place == "config" else settings.load().paths
    click.echo(str(getattr(paths, place)))
