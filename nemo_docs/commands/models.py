"""`nemo-docs model`: which models there are, and how to get one."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path

import click

from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit, example, json_option
from nemo_docs.paths import expanded
from nemo_docs.plain import printable, size
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
            state = size(listed.size_bytes)
        else:
            state = f"not here, {size(entry.download_bytes)} to fetch" if entry else "not there any more"
        about_text = f"{entry.title}, {entry.licence}" if entry else str(listed.path)
        click.echo(printable(f"{'*' if used else ' '} {listed.name:<12}{state:<30}{about_text}"))


@model.command(epilog=example("model pull nemo", "model pull smollm2 --json"))
@click.argument("name")
@click.option("--even-if-too-large", is_flag=True, help="Fetch it although this machine's memory cannot hold it.")
@click.option("--again", is_flag=True, help="Fetch it although it is here.")
@json_option
def pull(name: str, even_if_too_large: bool, again: bool, as_json: bool) -> None:
    """Fetch the model NAME of the catalogue, check it, and keep it.

    What is here and whole is not fetched again; an interrupted fetch goes on where it stopped.
    """
    from nemo_docs.model.pull import pull as fetch

    folder, kept = load().paths.models, ""
    with (
        closing(fetch(name, folder, even_if_too_large=even_if_too_large, again=again)) as events,
        Progress() as progress,
    ):
        for event in events:
            if as_json:
                emit("pull", dataclasses.asdict(event))
            elif event.stage == "kept":
                kept = f"{name} stays in the larger form that it has: {event.note}"
            elif event.stage != "done":
                progress.update(f"{event.stage} {name}", event.done_bytes, event.total_bytes, "bytes")
    if kept:
        click.echo(printable(kept), err=True)
    click.echo(printable(f"{name} is in {folder / name}"), err=True)


@model.command(
    epilog=example(
        "model add ~/models/my-finetune",
        "model add model.gguf --name mine",
        "model add ~/models/nemo --adapter run/checkpoints/checkpoint_000300/consolidated --name legal",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it; the file's or folder's own name if not given.")
@click.option("--template", help="Prompt format to use in place of the one that its files name.")
@click.option("--adapter", type=click.Path(), help="LoRA adapter over it: a folder that mistral-finetune has written.")
def add(path: Path, name: str | None, template: str | None, adapter: str | None) -> None:
    """Give a name to a model that is at PATH.

    PATH is a folder in Mistral's or Hugging Face's layout, or a GGUF file. Its files stay where they are.
    """
    from nemo_docs.model.folder import ModelFiles
    from nemo_docs.model.inventory import add_model

    path, over = expanded(str(path)), expanded(adapter) if adapter else None
    opened = ModelFiles(path, template=template, adapter=over)  # refused now rather than at the first question
    chosen = name or path.stem.lower()
    about = f"{opened.config.n_parameters / 1e6:,.0f} million weights, {opened.template.name} prompts"
    if opened.adapter:
        about += f", an adapter of rank {opened.adapter.rank}"
    add_model(load().paths.models, chosen, path, template=template or "", adapter=over)
    click.echo(printable(f"{chosen}: {about}. Use it with: nemo-docs model use {chosen}"), err=True)


@model.command(epilog=example("model forget my-finetune"))
@click.argument("name")
def forget(name: str) -> None:
    """Forget the NAME that `model add` gave. The model's files stay where they are."""
    from nemo_docs.model.inventory import forget_model

    forget_model(load().paths.models, name)
    click.echo(printable(f"{name} is forgotten."), err=True)


@model.command(epilog=example("model use nemo", "model use ~/models/my-finetune"))
@click.argument("name")
def use(name: str) -> None:
    """Answer with the model NAME from now on.

    NAME is one of `model list`, or the path of a folder or GGUF file.
    """
    from nemo_docs.model.folder import open_model
    from nemo_docs.model.inventory import inventory
    from nemo_docs.settings_file import set_value

    configuration = load()
    opened = open_model(name, configuration.paths.models)
    known = {listed.name for listed in inventory(configuration.paths.models)}
    chosen = name if name in known else str(opened.path.resolve())
    set_value(configuration.paths.config, "model", chosen)
    click.echo(printable(f"Answers now come from {opened.name}."), err=True)


@model.command(epilog=example("model show", "model show nemo --json"))
@click.argument("name", required=False)
@json_option
def show(name: str | None, as_json: bool) -> None:
    """Show a model: its files, shape, windows and licence.

    Without NAME it is the one in use, with the adapter over it.
    """
    from nemo_docs.model.folder import open_model

    configuration = load()
    settings = configuration.settings
    adapter = "" if name else settings.adapter  # the setting is about the model in use
    opened = open_model(name or settings.model, configuration.paths.models, adapter=adapter)
    facts: dict[str, object] = {
        "name": opened.name,
        "path": str(opened.path),
        "parameters": opened.config.n_parameters,
        "window_tokens": opened.window_tokens,
        "effective_window_tokens": opened.effective_window_tokens,
        "kv_bytes_per_token": opened.config.kv_bytes_per_token(2),
        **opened.config.as_dict(),
    }
    if opened.adapter:
        facts |= {
            "adapter": str(opened.adapter.path),
            "adapter_rank": opened.adapter.rank,
            "adapter_scaling": opened.adapter.scaling,
            "adapter_parameters": opened.adapter.n_parameters,
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
