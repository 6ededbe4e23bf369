"""`nemo-docs bench`: how fast this machine reads and writes, and how fast it could."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from nemo_docs.commands.interrupt import interruptible
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit, example, json_option, setting_options
from nemo_docs.errors import UsageError
from nemo_docs.kinds import Amount, Kind, Number
from nemo_docs.plain import printable, size
from nemo_docs.settings import Configuration, load

if TYPE_CHECKING:
    from nemo_docs.backends.bench import Subject
    from nemo_docs.engine.measuring import Figure, Skipped

_LENGTH = Amount(64, 1_048_576, {"k": 1024}, "16k")
_SECONDS = Number(1, 86_400)
_WIDTHS = (9, 12, 20, 12, 12, 12, 11)
_BUSY_SHARE = 0.5
"""Of the cores: when others keep more than this busy, it shows in the figures."""


def _lengths(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    return tuple(_checked(_LENGTH, each) for each in value.split(",")) if value is not None else ()


def _seconds(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float:
    return float(_checked(_SECONDS, value))


def _checked(kind: Kind, value: str) -> Any:
    try:
        found = kind(value)
    except ValueError:
        found = None
    if found is None:  # the word `auto` is no amount here
        raise click.BadParameter(f"{value!r} must be {str(kind).removeprefix('auto, or ')}.")
    return found


@click.command(
    epilog=example(
        "bench",
        "bench --lengths 512,4k --seconds 300",
        "bench --random-weights nemo --device cuda --json",
    )
)
@click.option("--random-weights", type=click.Choice(["nemo"]), help="Measure NeMo's shape without its weights.")
@click.option("--lengths", metavar="N,N...", callback=_lengths, help="Tokens of the prompts, such as 512,4k,16k.")
@click.option(
    "--seconds",
    metavar="S",
    default="120",
    show_default=True,
    callback=_seconds,
    help="What measuring may take once the model is loaded; what would take longer is left out.",
)
@setting_options("model", "adapter", "device", "precision", "kv", "threads")
@json_option
def bench(
    random_weights: str | None, lengths: tuple[int, ...], seconds: float, as_json: bool, **options: object
) -> None:
    """Measure how fast this machine reads and writes.

    For several lengths of prompt: `prefill`, until the first token of a prompt that was never read; `decode`, each
    further token behind it; `warm`, until the first token when the document was read before. The floor is the least
    that each could take: its operations at the rate of a large matrix product, or its bytes at the speed of memory,
    both measured here. Ctrl-C keeps what was measured so far.
    """
    from nemo_docs.backends.bench import bench as measured

    if random_weights and (options["model"] or options["adapter"]):
        raise UsageError("--random-weights stands in place of a model and of an adapter.", hint="Give one of them.")
    configuration = load(options=options)
    for warning in _disturbances(configuration):
        if as_json:
            emit("warning", {"message": warning})
        click.echo(printable(f"Warning: {warning}"), err=True)
    with interruptible() as wish, Progress() as progress:
        for found in measured(
            configuration.settings,
            models=configuration.paths.models,
            random_weights=random_weights,
            lengths=lengths,
            seconds=seconds,
            cancelled=wish.is_set,
            on_layer=lambda done, of: progress.update("Loading the model", done, of, "layers"),
            on_tokens=lambda done, of: progress.update("Reading", done, of, "tokens"),
        ):
            progress.clear()
            _show(found, as_json)
    if wish.is_set():
        raise KeyboardInterrupt


def _disturbances(configuration: Configuration) -> Iterator[str]:
    """What else takes the machine's time now, a sentence each."""
    import psutil  # type: ignore[import-untyped]

    from nemo_docs.engine.process.link import Link

    if engine := Link(configuration.paths.state, configuration.settings.engine_idle).status():
        yield (
            f"The shared engine (process {engine.pid}) is running and holds {size(engine.memory_bytes)}: the figures "
            "suffer while it works. End it with: nemo-docs engine stop"
        )
    cores, busy = psutil.cpu_count() or 1, psutil.getloadavg()[0]
    if busy > _BUSY_SHARE * cores:
        yield f"{busy:.1f} of {cores} cores were busy in the last minute: the figures suffer from it."


def _show(found: Subject | Figure | Skipped, as_json: bool) -> None:
    """One measurement, or what is measured: a line of JSON, or of a table."""
    from nemo_docs.backends.bench import Subject
    from nemo_docs.engine.measuring import Figure

    derived = (
        {"tokens_per_s": found.tokens_per_s, "floor_share": found.floor_share} if isinstance(found, Figure) else {}
    )
    if as_json:
        emit(type(found).__name__.lower(), {**dataclasses.asdict(found), **derived})
        return
    if isinstance(found, Subject):
        text = _heading(found)
    elif isinstance(found, Figure):
        rate = f"{found.tokens_per_s:,.1f} tokens/s"
        text = _row(
            found.what,
            f"{found.length:,}",
            _duration(found.seconds),
            rate if found.cold_s is None else f"{found.cold_s / found.seconds:,.1f}x prefill",
            _duration(found.floor_s),
            f"{found.floor_share:.0%}",
            found.bound,
            size(found.memory_bytes),
        )
    else:
        text = _row(found.what, f"{found.length:,}") + f"  {found.reason}"
    click.echo(printable(text, lines=True))


def _heading(subject: Subject) -> str:
    return "\n".join(
        (
            f"{subject.model} on {subject.device} in {subject.precision}"
            + (f", {subject.threads} threads" if subject.device == "cpu" else ""),
            f"{subject.parameters / 1e6:,.0f} million weights, loaded in {_duration(subject.load_s)}; a token reads "
            f"{size(subject.streamed_bytes)} of them and {size(subject.kv_bytes_per_token)} for each token before it",
            f"This machine at best: {size(subject.bytes_per_s)} of memory a second, "
            f"{subject.operations_per_s / 1e12:,.2f} TFLOP/s of matrix products",
            "",
            _row("", "tokens", "time", "rate", "floor", "floor/time", "floor from", "memory"),
        )
    )


def _row(*cells: str) -> str:
    what, *others = cells
    return f"{what:<8}" + "".join(f"{cell:>{width}}" for cell, width in zip(others, _WIDTHS, strict=False))


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"
