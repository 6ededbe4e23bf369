"""`nemo-docs model`: which models there are, and how to get one."""

from __future__ import annotations

import click

from nemo_docs.commands.shared import emit, example, json_option
from nemo_docs.plain import printable
from nemo_docs.settings import load


@click.group(invoke_without_command=True, epilog=example("model list", "model pull nemo", "model use nemo"))
@click.pass_context
def model(ctx: click.Context) -> None:
    """List, fetch, add and choose models."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@model.command("list", epilog=example("model list", "model list --json"))
@json_option
def list_(as_json: bool = False) -> None:
    """List the models that can be named; `*` marks the one in use."""
    from nemo_docs.model.inventory import inventory

    configuration = load()
    for listed in inventory(configuration.paths.models):
        used = listed.name == configuration.settings.model
        entry = listed.entry
        if as_json:
            facts = {"name": listed.name, "path": str(listed.path), "present": listed.present, "used": used}
            about = (
                {"title": entry.title, "licence": entry.licence, "download_bytes": entry.download_bytes}
                if entry
                else {}
            )
            emit("model", {**facts, "size_bytes": listed.size_bytes, **about})
            continue
        if listed.present:
            state = _gb(listed.size_bytes)
        else:
            state = f"not here, {_gb(entry.download_bytes)} to fetch" if entry else "not there any more"
        about_text = f"{entry.title}, {entry.licence}" if entry else str(listed.path)
        click.echo(printable(f"{'*' if used else ' '} {listed.name:<12}{state:<30}{about_text}"))


@model.command(epilog=example("model use nemo", "model use ~/models/my-finetune"))
@click.argument("name")
def use(name: str) -> None:
    """Answer with the model NAME from now on: a name from `model list`, or a path."""
    from nemo_docs.model.folder import open_model
    from nemo_docs.settings_file import set_value

    configuration = load()
    opened = open_model(name, configuration.paths.models)
    chosen = name if opened.name == name and opened.path.name == name else str(opened.path.resolve())
    set_value(configuration.paths.config, "model", chosen)
    click.echo(printable(f"Answers now come from {opened.name}."), err=True)


@model.command(epilog=example("model show", "model show nemo --json"))
@click.argument("name", required=False)
@json_option
def show(name: str | None, as_json: bool) -> None:
    """Show a model: its files, its shape, its windows, its licence. Without NAME, the one in use."""
    from nemo_docs.model.folder import open_model

    configuration = load()
    opened = open_model(name or configuration.settings.model, configuration.paths.models)
    facts: dict[str, object] = {
        "name": opened.name,
        "path": str(opened.path),
        "parameters": opened.config.n_parameters,
        "window_tokens": opened.window_tokens,
        "effective_window_tokens": opened.effective_window_tokens,
        "kv_bytes_per_token": opened.config.kv_bytes_per_token(2),
        **opened.config.as_dict(),
    }
    if entry := opened.entry:
        facts |= {
            "title": entry.title,
            "licence": entry.licence,
            "languages": list(entry.languages),
            "template": entry.template,
            "memory_bytes": entry.memory_bytes,
            "note": entry.note,
        }
    if as_json:
        emit("model", facts)
        return
    for key, value in facts.items():
        text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        click.echo(printable(f"{key.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else text}"))


def _gb(amount: int) -> str:
    return f"{amount / 1e9:,.1f} GB"
