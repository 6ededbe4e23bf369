"""`nemo-docs doctor`: is everything here that answers need?"""

from __future__ import annotations

import dataclasses

import click

from nemo_docs.commands.shared import emit, example, json_option
from nemo_docs.errors import ExitCode
from nemo_docs.plain import printable


@click.command(epilog=example("doctor", "doctor --json"))
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check that everything is here that answers need.

    Looks at Python, torch, SQLite, settings, library, models, memory and disk, and changes nothing. Exits with 1 when
    something is broken.
    """
    from nemo_docs.commands.checkup import Status, check_all

    broken = 0
    for check in check_all():
        broken += check.status is Status.BROKEN
        if as_json:
            emit("check", dataclasses.asdict(check))
            continue
        click.echo(printable(f"{check.status:<8}{check.name}: {check.detail}"))
        if check.hint:
            click.echo(printable(f"        hint: {check.hint}"))
    if broken:
        ctx.exit(ExitCode.FAILED)
