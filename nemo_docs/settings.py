"""Settings: one table of fields, read from one TOML file, the environment and the command line, in that order.

Each field states its default, its bounds and its help once; the file, `NEMO_DOCS_<FIELD>`, command options and
`nemo-docs config` all go through the same check, and every value remembers where it came from. An unknown key is
refused with the nearest known one: a setting that is silently ignored is worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from nemo_docs.actions import ACTIONS, Action, Pane
from nemo_docs.errors import SettingsError
from nemo_docs.keys import find_clash, keys_of
from nemo_docs.kinds import Amount, Choice, KeyList, Kind, Number, Switch, Word
from nemo_docs.paths import Paths, expanded
from nemo_docs.settings_text import KEYS, line_of, parse, read_text

LANGUAGES = ("en", "fr", "de", "es", "it", "pt", "zh", "ja", "ko", "ar", "hi")
"""ISO 639-1 codes of the languages that the product reads and answers in."""

THEMES = (
    "nemo-dark",
    "nemo-light",
    "ansi-dark",
    "ansi-light",
    "atom-one-dark",
    "atom-one-light",
    "catppuccin-frappe",
    "catppuccin-latte",
    "catppuccin-macchiato",
    "catppuccin-mocha",
    "dracula",
    "flexoki",
    "gruvbox",
    "monokai",
    "nord",
    "rose-pine",
    "rose-pine-dawn",
    "rose-pine-moon",
    "solarized-dark",
    "solarized-light",
    "textual-dark",
    "textual-light",
    "tokyo-night",
)
"""Names of the app's colours; a test holds them against those that the app knows."""

MODEL_SETTINGS = frozenset(
    {
        "adapter",
        "device",
        "engine_idle",
        "host_memory",
        "in_process",
        "kv",
        "kv_memory",
        "model",
        "models_folder",
        "precision",
        "store_floor",
        "store_size",
        "threads",
    }
)
"""Those that decide what answers: after a change the next question opens the model anew."""


_TOKENS = Amount(512, 1_048_576, {"k": 1024}, "16k")
_BYTES = Amount(0, 2**50, {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}, "4GB")
_STATED_BYTES = replace(_BYTES, has_auto=False)


def _setting(default: Any, kind: Kind, describe: str) -> Any:
    return field(default=default, metadata={"kind": kind, "help": describe})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can choose. Every value has been checked; None stands for `auto`."""

    model: str = _setting("smollm2", Word("the name of a model, or the path of its folder"), "Model that answers.")
    adapter: str = _setting(
        "",
        Word("the path of its folder or lora.safetensors, or empty", r"[^\x00-\x1f\x7f]*"),
        "LoRA adapter over the model, as mistral-finetune writes it.",
    )
    device: str = _setting(
        "auto", Word("auto, cpu, mps, cuda or cuda:N", r"auto|cpu|mps|cuda(:[0-9]{1,2})?"), "Where the model runs."
    )
    precision: str = _setting(
        "auto",
        Choice(("auto", "fp32", "bf16", "fp8", "int8", "int4", "file")),
        "Numbers in which the weights are kept; auto takes the best that fits, file the grid of the file itself.",
    )
    kv: str = _setting(
        "auto",
        Choice(("auto", "full", "int8")),
        "Numbers in which what was read is kept; int8 takes half the memory; auto takes full where it fits.",
    )
    threads: int = _setting(0, Number(0, 1024, whole=True), "CPU threads; 0 lets torch decide.")
    window: int | None = _setting(
        None, _TOKENS, "Tokens read in one go; auto is the size that the model reads well, not the one it claims."
    )
    budget: float = _setting(60.0, Number(1, 86_400), "Seconds of reading that one question may cost.")
    answer_tokens: int = _setting(512, Number(1, 32_768, whole=True), "Longest answer, in tokens.")
    temperature: float = _setting(0.0, Number(0, 2), "Randomness of the wording; 0 always gives the same answer.")
    top_p: float = _setting(1.0, Number(0.01, 1), "Share of the likeliest words to draw from; not for temperature 0.")
    seed: int = _setting(0, Number(0, 2**63 - 1, whole=True), "Start of the random numbers; not for temperature 0.")
    language: str = _setting("auto", Choice(("auto", *LANGUAGES)), "Language of answers; auto is the question's.")
    kv_memory: int | None = _setting(
        None, _BYTES, "Memory for what was read, in bytes; auto is what the machine can spare."
    )
    store_size: int | None = _setting(
        None, _BYTES, "Disk for what was read, of all models; auto is a fifth of what is free; 0 keeps nothing."
    )
    store_floor: int = _setting(2 * 10**9, _STATED_BYTES, "Bytes of the disk that what was read leaves free.")
    host_memory: int | None = _setting(
        None,
        _BYTES,
        "Main memory beside a GPU that keeps what was read, so that it is back without the disk; auto is an eighth of "
        "what is free.",
    )
    engine_idle: float = _setting(
        900.0, Number(1, 604_800), "Seconds without a request after which the shared engine ends and frees its memory."
    )
    in_process: bool = _setting(
        False, Switch(), "Run the model inside the command or app itself instead of in the engine that all share."
    )
    theme: str = _setting("nemo-dark", Choice(THEMES), "Colours of the app.")
    bidi: str = _setting(
        "auto",
        Choice(("auto", "terminal", "app")),
        "Who puts right-to-left text in order on the screen; auto asks the terminal's name.",
    )
    folder_limit: int = _setting(
        50, Number(1, 1_000_000, whole=True), "Files in a dropped folder above which the app asks before adding them."
    )
    ocr: str = _setting(
        "auto", Choice(("auto", "off")), "Whether pages without text are read by Tesseract, where it is installed."
    )
    ocr_languages: str = _setting(
        "auto",
        Word("auto or names like deu+eng", r"auto|[A-Za-z_/]{3,30}(\+[A-Za-z_/]{3,30}){0,9}"),
        "Languages of scans, as Tesseract calls them; auto finds them by reading.",
    )
    models_folder: str = _setting(
        "",
        Word("the path of a folder, or empty", r"[^\x00-\x1f\x7f]*"),
        "Where models are kept; empty is the usual place.",
    )
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The user's own keys, by the action's id; the others have those of the table of actions."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, where each came from, and the paths that follow from them."""

    settings: Settings
    origins: Mapping[str, str]
    """For each field: `default`, an environment variable, a line of the file, or an option."""
    paths: Paths


def load(
    paths: Paths | None = None, *, environ: Mapping[str, str] | None = None, options: Mapping[str, object] | None = None
) -> Configuration:
    """Read the settings: defaults, then the file, then the environment, then `options` that are not None.

    Raises:
        SettingsError: The file is not TOML or cannot be read, a key is unknown, or a value is out of its bounds.
    """
    environ = os.environ if environ is None else environ
    paths = Paths.find(environ) if paths is None else paths
    values: dict[str, Any] = {}
    origins = dict.fromkeys(names(), "default")

    def take(name: str, value: object, origin: str) -> None:
        values[name] = check(name, value, origin)
        origins[name] = origin

    text = read_text(paths.config)
    for name, value in parse(text, paths.config).items():
        take(name, value, f"{paths.config} line {line_of(name, text)}")
    for name in _fields():
        if (variable := f"NEMO_DOCS_{name.upper()}") in environ:
            take(name, environ[variable], variable)
    for name, value in (options or {}).items():
        if value is not None:
            take(name, value, f"option --{name.replace('_', '-')}")
    keys = {name.removeprefix(f"{KEYS}."): values.pop(name) for name in list(values) if name.startswith(f"{KEYS}.")}
    refuse_clash(keys, origins)
    settings = Settings(**values, keys=keys)
    if settings.models_folder:
        paths = replace(paths, models=expanded(settings.models_folder).absolute())
    return Configuration(settings, origins, paths)


def names() -> tuple[str, ...]:
    """Names of all settings, in the order in which they are shown; those of keys begin with `keys.`."""
    return (*_fields(), *(f"{KEYS}.{action.id}" for action in ACTIONS))


def value_of(settings: Settings, name: str) -> Any:
    """The value of a setting, by its name.

    Raises:
        SettingsError: There is no such setting.
    """
    if action := _action(name):
        return keys_of(action, settings.keys)
    _kind_and_help(name)
    return getattr(settings, name)


def refuse_clash(keys: Mapping[str, tuple[str, ...]], origins: Mapping[str, str]) -> None:
    """Check that no key means two things in one place.

    Args:
        keys: The user's own keys, by the action's id.
        origins: Where each setting came from, for the message.

    Raises:
        SettingsError: One does.
    """
    if clash := find_clash(keys):
        name = f"{KEYS}.{clash.action}"
        raise SettingsError(
            f"{name} = {clash.key!r} ({origins.get(name, 'default')}) is the key of {clash.other} in the same place.",
            hint=f"Choose another key, or first give {clash.other} one: "
            f"`nemo-docs config set {KEYS}.{clash.other} KEY`.",
        )


def help_of(name: str) -> str:
    """What a setting is for, with what it may hold."""
    kind, describe = _kind_and_help(name)
    return f"{describe} ({kind})"


def kind_of(name: str) -> Kind:
    """What a setting may hold."""
    return _kind_and_help(name)[0]


def check(name: str, value: object, origin: str) -> Any:
    """Return `value` in the type of the setting `name`.

    Raises:
        SettingsError: No such setting, or the value is out of its bounds.
    """
    kind, _ = _kind_and_help(name, origin)
    try:
        return kind(value)
    except (ValueError, OverflowError):  # a whole number of TOML may be too long for a float
        near = _nearest(value, kind.words) if isinstance(kind, Choice) and isinstance(value, str) else ""
        hint = f"Did you mean {near}?" if near else ""
        raise SettingsError(f"{name} = {value!r} ({origin}) must be {kind}.", hint=hint) from None


def shown(value: object) -> str:
    """A value as it would be typed."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def unknown(name: str, origin: str) -> SettingsError:
    """The error for a key that no setting has."""
    near = _nearest(name, names())
    hint = f"Did you mean {near}?" if near else "See them all with `nemo-docs config`."
    return SettingsError(f"There is no setting {name!r} ({origin}).", hint=hint)


def _nearest(word: str, words: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, words, n=1)), "")


def _fields() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Settings) if each.metadata)


def _action(name: str) -> Action | None:
    return next((action for action in ACTIONS if name == f"{KEYS}.{action.id}"), None)


def _kind_and_help(name: str, origin: str = "") -> tuple[Kind, str]:
    for each in fields(Settings):
        if each.name == name and each.metadata:
            return each.metadata["kind"], each.metadata["help"]
    if action := _action(name):
        return KeyList(action.pane in {Pane.APP, Pane.PROMPT}), f"Keys in the app, {action.pane}: {action.help}"
    raise unknown(name, origin)
