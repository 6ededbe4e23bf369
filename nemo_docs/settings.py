"""Settings: one table of fields, read from one TOML file, the environment and the command line, in that order.

Each field states its default, its bounds and its help once; the file, `NEMO_DOCS_<FIELD>`, command options and
`nemo-docs config` all go through the same check, and every value remembers where it came from. An unknown key is
refused with the nearest known one: a setting that is silently ignored is worse than none.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

from nemo_docs.errors import SettingsError
from nemo_docs.paths import Paths, expanded

LANGUAGES = ("en", "fr", "de", "es", "it", "pt", "zh", "ja", "ko", "ar", "hi")
"""ISO 639-1 codes of the languages that the product reads and answers in."""


class Kind(Protocol):
    """What a field may hold. `str(kind)` names it in a sentence."""

    def __call__(self, value: object) -> Any:
        """Return the value in its own type; `value` is from TOML or is text.

        Raises:
            ValueError: The value is not of this kind, or out of bounds.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def __call__(self, value: object) -> str:
        """Return the word."""
        if not isinstance(value, str) or value not in self.words:
            raise ValueError
        return value

    def __str__(self) -> str:
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both included."""

    low: float
    high: float
    whole: bool = False

    def __call__(self, value: object) -> float:
        """Return the number, an int when only whole numbers are allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        if self.whole and isinstance(value, float):
            raise ValueError
        number = int(value) if self.whole else float(value)
        if not self.low <= number <= self.high:
            raise ValueError
        return number

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Word:
    """Text that is not empty and stays on one line, or a choice of `pattern`."""

    describe: str
    pattern: str = r"[^\x00-\x1f\x7f]+"

    def __call__(self, value: object) -> str:
        """Return the text."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise ValueError
        return value

    def __str__(self) -> str:
        return self.describe


@dataclass(frozen=True, slots=True)
class Switch:
    """Yes or no."""

    def __call__(self, value: object) -> bool:
        """Return the truth value; text may say it in the usual words."""
        if isinstance(value, bool):
            return value
        if not isinstance(value, str) or value.lower() not in {"true", "false", "yes", "no", "on", "off", "1", "0"}:
            raise ValueError
        return value.lower() in {"true", "yes", "on", "1"}

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True, slots=True)
class Amount:
    """A whole number with an optional unit (`128k`, `4GB`), or the word `auto`, which is held as None."""

    low: int
    high: int
    units: Mapping[str, int]
    example: str

    def __call__(self, value: object) -> int | None:
        """Return the number of base units, or None for `auto`."""
        if value == "auto":
            return None
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        match = re.fullmatch(r"\s*([0-9]+)\s*([A-Za-z]*)\s*", str(value))
        if not match or match[2].lower() not in {"", *self.units}:
            raise ValueError
        amount = int(match[1]) * self.units.get(match[2].lower(), 1)
        if not self.low <= amount <= self.high:
            raise ValueError
        return amount

    def __str__(self) -> str:
        return f"auto, or an amount from {self.low:,} to {self.high:,} such as {self.example}"


_TOKENS = Amount(512, 1_048_576, {"k": 1024}, "16k")
_BYTES = Amount(0, 2**50, {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}, "4GB")


def _setting(default: Any, kind: Kind, describe: str) -> Any:
    return field(default=default, metadata={"kind": kind, "help": describe})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can choose. Every value has been checked; None stands for `auto`."""

    model: str = _setting("smollm2", Word("the name of a model, or the path of its folder"), "Model that answers.")
    device: str = _setting(
        "auto", Word("auto, cpu, mps, cuda or cuda:N", r"auto|cpu|mps|cuda(:[0-9]{1,2})?"), "Where the model runs."
    )
    precision: str = _setting("auto", Choice(("auto", "fp32", "bf16")), "Number format of the model's arithmetic.")
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
    engine_idle: float = _setting(
        900.0, Number(1, 604_800), "Seconds without a request after which the shared engine ends and frees its memory."
    )
    in_process: bool = _setting(
        False, Switch(), "Run the model inside the command or app itself instead of in the engine that all share."
    )
    theme: str = _setting("nemo-dark", Word("the name of a theme"), "Colours of the app.")
    folder_limit: int = _setting(
        50, Number(1, 1_000_000, whole=True), "Files in a dropped folder above which the app asks before adding them."
    )
    models_folder: str = _setting(
        "",
        Word("the path of a folder, or empty", r"[^\x00-\x1f\x7f]*"),
        "Where models are kept; empty is the usual place.",
    )


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
    for name, value in _parse(text, paths.config).items():
        origin = f"{paths.config} line {_line_of(name, text)}"
        if name not in origins:
            raise unknown(name, origin)
        take(name, value, origin)
    for name in origins:
        if (variable := f"NEMO_DOCS_{name.upper()}") in environ:
            take(name, environ[variable], variable)
    for name, value in (options or {}).items():
        if value is not None:
            take(name, value, f"option --{name.replace('_', '-')}")
    settings = Settings(**values)
    if settings.models_folder:
        paths = replace(paths, models=expanded(settings.models_folder).absolute())
    return Configuration(settings, origins, paths)


def names() -> tuple[str, ...]:
    """Names of all settings, in the order in which they are shown."""
    return tuple(each.name for each in fields(Settings))


def help_of(name: str) -> str:
    """What a setting is for, with what it may hold."""
    metadata = _field(name).metadata
    return f"{metadata['help']} ({metadata['kind']})"


def check(name: str, value: object, origin: str) -> Any:
    """Return `value` in the type of the setting `name`.

    Raises:
        SettingsError: No such setting, or the value is out of its bounds.
    """
    kind = _field(name, origin).metadata["kind"]
    try:
        return kind(value)
    except (ValueError, OverflowError):  # a whole number of TOML may be too long for a float
        raise SettingsError(f"{name} = {value!r} ({origin}) must be {kind}.") from None


def shown(value: object) -> str:
    """A value as it would be typed."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def unknown(name: str, origin: str) -> SettingsError:
    """The error for a key that no setting has."""
    from difflib import get_close_matches

    near = get_close_matches(name, names(), n=1)
    hint = f"Did you mean {near[0]}?" if near else "See them all with `nemo-docs config`."
    return SettingsError(f"There is no setting {name!r} ({origin}).", hint=hint)


def _field(name: str, origin: str = "") -> Any:
    for each in fields(Settings):
        if each.name == name:
            return each
    raise unknown(name, origin)


def read_text(path: Path) -> str:
    """Return the settings file's text; empty where there is none.

    Raises:
        SettingsError: It cannot be read.
    """
    try:
        if path.is_fifo():  # would be waited on for ever
            raise SettingsError(f"The settings file {path} is not a regular file.", hint="Move what is there away.")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"The settings file {path} cannot be read: {reason}.", hint="Check its permissions, or move it away."
        ) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits, which tomllib lets through
        raise SettingsError(
            f"The settings file {path} is not valid TOML: {error}.", hint="Mend that line, or remove the file."
        ) from error


def _line_of(name: str, text: str) -> int:
    """Line of a top-level key or table, for a message; 1 where it is written in a way that hides it."""
    match = re.search(rf"^[ \t]*\[*[ \t]*[\"']?{re.escape(name)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return 1 if match is None else text.count("\n", 0, match.start()) + 1
