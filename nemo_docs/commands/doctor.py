"""`nemo-docs doctor`: is everything here that answers need?"""

from __future__ import annotations

import dataclasses

import click

from nemo_docs.commands.shared import emit, example, json_option, setting_options
from nemo_docs.errors import ExitCode
from nemo_docs.plain import printable


@click.command(epilog=example("doctor", "doctor --json", "doctor --model nemo --window 128k --kv int8"))
@setting_options("model", "device", "precision", "kv", "window")
@json_option
def doctor(as_json: bool, **options: object) -> int:
    """Check that everything is here that answers need.

    Looks at Python, torch, SQLite, settings, library, models, memory and disk, and changes nothing. Says for what the
    model takes how much memory, and what would fit; the options try other ways. Exits with 1 when something is broken.
    """
    from nemo_docs.commands.check import Status
    from nemo_docs.commands.checkup import check_all

    broken = 0
    for check in check_all(options):
        broken += check.status is Status.BROKEN
        if as_json:
            emit("check", dataclasses.asdict(check))
            continue
        click.echo(printable(f"{check.status:<8}{check.name}: {check.detail}"))
        if check.hint:
            click.echo(printable(f"        hint: {check.hint}"))
    return ExitCode.FAILED if broken else ExitCode.DONE
