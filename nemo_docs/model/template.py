"""A model's prompt format, as data.

A template names what stands before and after each turn: integers are special ids, strings are text. Every piece of
text is encoded apart and the ids are joined, so a special id can only come from here, and a segment's ids never depend
on what follows it. Nothing that was rendered moves when a turn is appended: there is no system role (mistral-common
moves system text into the *last* user turn, and with it every cached position).

Specs are written with the names of special tokens, because their ids differ between vocabularies; `template_for` looks
them up once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nemo_docs.errors import SettingsError
from nemo_docs.model.tokenizers.base import Tokenizer

Part = int | str


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt format with its ids: integers are special ids, strings are text that is encoded apart."""

    name: str
    """`v3-tekken`, `chatml` or `plain`."""
    begin: tuple[Part, ...]
    """Before the first turn."""
    user_open: tuple[Part, ...]
    """Before what the user says."""
    user_close: tuple[Part, ...]
    """After it; the model speaks next."""
    assistant_close: tuple[Part, ...]
    """After what the model said, when another turn follows."""
    stops: tuple[int, ...]
    """Ids with which the model ends its turn."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says, as the segments that are encoded apart."""

    role: str
    """`user` or `assistant`."""
    segments: tuple[str, ...]
    """Text, in order; the ids are those of the segments, joined."""


@dataclass(frozen=True, slots=True)
class _Special:
    """The name of a special token, to be looked up."""

    name: str


_START, _END = _Special("<|im_start|>"), _Special("<|im_end|>")
_SPECS: dict[str, dict[str, tuple[_Special | str, ...]]] = {
    "v3-tekken": {
        "begin": (_Special("<s>"),),
        "user_open": (_Special("[INST]"),),
        "user_close": (_Special("[/INST]"),),
        "assistant_close": (_Special("</s>"),),
        "stops": (_Special("</s>"),),
    },
    "chatml": {
        "begin": (),
        "user_open": (_START, "user\n"),
        "user_close": (_END, "\n", _START, "assistant\n"),
        "assistant_close": (_END, "\n"),
        "stops": (_END,),
    },
    "plain": {"begin": (), "user_open": (), "user_close": ("\n\n",), "assistant_close": ("\n\n",), "stops": ()},
}

TEMPLATES = tuple(_SPECS)
"""Names of the known templates."""


def template_for(name: str, tokenizer: Tokenizer, *, system: str = "") -> Template:
    """The template `name` with the ids of `tokenizer`.

    Args:
        name: One of `TEMPLATES`.
        tokenizer: The model's tokenizer.
        system: For `chatml`, the system message with which the model was trained; it opens every prompt.

    Raises:
        SettingsError: If there is no such template, or the vocabulary lacks one of its special tokens.
    """
    if name not in _SPECS:
        raise SettingsError(f"There is no template {name!r}.", hint=f"Known are {', '.join(TEMPLATES)}.")
    spec = dict(_SPECS[name])
    if name == "chatml" and system:
        spec["begin"] = (_START, "system\n" + system, _END, "\n")
    try:
        parts = {
            field: tuple(tokenizer.special(part.name) if isinstance(part, _Special) else part for part in sequence)
            for field, sequence in spec.items()
        }
    except KeyError as missing:
        raise SettingsError(
            f"The template {name} needs the special token {missing.args[0]}, which this vocabulary does not have.",
            hint="Name the template that the model was trained with, or plain for a base model.",
        ) from None
    if name == "plain":
        parts["begin"] = () if tokenizer.bos is None else (tokenizer.bos,)
        parts["stops"] = () if tokenizer.eos is None else (tokenizer.eos,)
    stops = [stop for stop in parts.pop("stops") if isinstance(stop, int)]
    if name == "chatml" and (end_of_text := _special_or_none(tokenizer, "<|endoftext|>")) is not None:
        stops.append(end_of_text)  # what such a model was trained with before it learned to take turns
    return Template(name=name, stops=tuple(stops), **parts)


def _special_or_none(tokenizer: Tokenizer, name: str) -> int | None:
    try:
        return tokenizer.special(name)
    except KeyError:
        return None


def encode_parts(tokenizer: Tokenizer, parts: Sequence[Part]) -> list[int]:
    """Ids of parts, each text encoded apart."""
    ids: list[int] = []
    for part in parts:
        ids.extend([part] if isinstance(part, int) else tokenizer.encode(part))
    return ids


def render(template: Template, tokenizer: Tokenizer, turns: Sequence[Turn]) -> list[int]:
    """Ids of a conversation, ready for the model to speak when the last turn is the user's.

    A longer conversation's ids begin with those of the shorter one.

    Raises:
        ValueError: If the turns do not alternate, beginning with the user.
    """
    ids = encode_parts(tokenizer, template.begin)
    for index, turn in enumerate(turns):
        if turn.role != ("user", "assistant")[index % 2]:
            raise ValueError(f"turn {index} is of {turn.role!r}; user and assistant alternate, the user begins")
        before, after = (
            (template.user_open, template.user_close) if turn.role == "user" else ((), template.assistant_close)
        )
        ids += encode_parts(tokenizer, (*before, *turn.segments, *after))
    return ids


_DEFAULT_SYSTEM = re.compile(r"<\|im_start\|>system(?:\n|\\n)([^{}<'\"]+)<\|im_end\|>")


def recognise(chat_template: str | None) -> tuple[str, str]:
    """Name and default system message of the template that a Jinja chat template stands for.

    Args:
        chat_template: The Jinja source that a GGUF or `tokenizer_config.json` carries; None for a base model.

    Raises:
        SettingsError: If it is none of the known ones.
    """
    if not chat_template:
        return "plain", ""
    if "<|im_start|>" in chat_template:
        system = _DEFAULT_SYSTEM.search(chat_template)
        return "chatml", system[1] if system else ""
    if "[INST]" in chat_template and "[/INST]" in chat_template:
        return "v3-tekken", ""
    raise SettingsError("The model's chat template is of an unknown kind.", hint=f"Name one: {', '.join(TEMPLATES)}.")
