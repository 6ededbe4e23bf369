"""`nemo-docs engine status | stop`: the process that holds the model for every face."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.shared import emit, example, json_option
from nemo_docs.plain import printable, size
from nemo_docs.settings import load

if TYPE_CHECKING:
    from nemo_docs.engine.process.link import Link


@click.group(invoke_without_command=True, epilog=example("engine status", "engine status --json", "engine stop"))
@click.pass_context
def engine(ctx: click.Context) -> None:
    """Look after the engine, which holds the model for all.

    It starts with the first question and ends by itself when nothing has been asked for a while (setting engine_idle).
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(status)


@engine.command(epilog=example("engine status", "engine status --json"))
@json_option
def status(as_json: bool = False) -> None:
    """Say whether the engine runs, which model it holds, and when it will end."""
    found = _link().status()
    if as_json:
        emit("engine", {"running": found is not None, **({} if found is None else dataclasses.asdict(found))})
        return
    if found is None:
        click.echo("No engine is running; the next question starts one.")
        return
    click.echo(f"Process {found.pid}, up for {_duration(found.uptime_s)}, {size(found.memory_bytes)} of memory.")
    if found.model is None:
        click.echo("No model is loaded.")
    else:
        where = f"on {found.device} in {found.plan.way if found.plan else found.precision}"
        over = f" with {found.model.adapter}" if found.model.adapter else ""
        click.echo(printable(f"{found.model.path}{over} {where}, {found.cached_tokens:,} tokens cached."))
    click.echo(f"{found.running} requests run, {found.waiting} wait; {found.connections - 1} other connections.")
    click.echo(f"Ends after {_duration(found.idle_s)} without a request: in {_duration(found.idle_left_s)}.")


@engine.command(epilog=example("engine stop"))
@json_option
def stop(as_json: bool) -> None:
    """End the engine now, whatever it does; the next question starts a new one."""
    pid = _link().stop()
    if as_json:
        emit("stopped", {"pid": pid})
    else:
        click.echo("No engine was running." if pid is None else f"The engine (process {pid}) has ended.")


def _link() -> Link:
    from nemo_docs.engine.process.link import Link

    configuration = load()
    return Link(configuration.paths.state, configuration.settings.engine_idle)


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes) + [f"{seconds} s"] * (seconds > 0)
    return " ".join(parts) or "0 s"
