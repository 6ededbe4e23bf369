"""What crosses the engine's door: plain, frozen data. Token ids and numbers, never text, never a callback.

A request is a prompt in segments and a small program over the decoder. Segments say where chunks must end: the
preamble, a window of a document, a question. The program says what may be generated: forced tokens, a verbatim copy
out of given tokens, a choice among options, free text. A prompt may stand behind several windows at once, and several
requests may be answered together. Because all of it is data, the same request can be answered by an engine in this
process or in another one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn from the logits."""

    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Draw from the smallest set of tokens whose probabilities add up to this."""
    seed: int = 0
    """Two requests that are equal in all else draw the same tokens."""


@dataclass(frozen=True, slots=True)
class Bans:
    """Tokens that free text may not hold."""

    always: tuple[int, ...] = ()
    """Never drawn."""
    openers: tuple[int, ...] = ()
    """Tokens behind which `after_opener` applies."""
    after_opener: tuple[int, ...] = ()
    """Not drawn directly behind an opener."""


@dataclass(frozen=True, slots=True)
class Force:
    """Tokens that the program writes itself."""

    ids: tuple[int, ...]
    """In order."""


@dataclass(frozen=True, slots=True)
class Free:
    """Text that the model writes."""

    max_tokens: int
    """The step ends with reason `length` behind this many."""
    stops: tuple[int, ...]
    """Ids that end the step with reason `stop`; they are not emitted."""
    bans: Bans = Bans()
    """What may not be drawn."""


@dataclass(frozen=True, slots=True)
class Start:
    """A place where a copy may begin."""

    position: int
    """Index into the source."""
    log_weight: float
    """Added to the model's own log-probability; the prior of whoever asks."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A verbatim stretch of `source`, wherever the weights and the model say."""

    source: tuple[int, ...]
    """The tokens that may be copied, without anything that must be skipped."""
    starts: tuple[Start, ...]
    """Where a copy may begin; those inside an earlier copy of the same request are passed over."""
    ends: tuple[int, ...]
    """Ascending positions behind which a copy may end (exclusive)."""
    max_tokens: int
    """A copy ends here at the latest, with reason `length`."""
    min_tokens: int = 1
    """Ends that come sooner are passed over."""
    model_weight: float = 1.0
    """What the model's log-probability counts beside the starts' weights."""


@dataclass(frozen=True, slots=True)
class Option:
    """One of several continuations."""

    ids: tuple[int, ...]
    """What is written when it is chosen; at least one token."""
    log_weight: float = 0.0
    """Added to the model's mean log-probability a token."""
    goto: int | None = None
    """The step that follows, by index, later than this one; None for the next."""


@dataclass(frozen=True, slots=True)
class Choose:
    """The model takes the likeliest of some continuations."""

    options: tuple[Option, ...]
    """At least one."""


Step = Force | Free | Copy | Choose


@dataclass(frozen=True, slots=True)
class Text:
    """Whose text a segment is, for the store that outlives the engine."""

    label: str
    """Opaque here; what is stored of it can be shown and removed by it."""
    tokens: int
    """Of that whole text, so that it can be told how much of it is stored; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Several windows as one past: each is read alone behind what they share, and what follows sees all of them."""

    preamble: tuple[tuple[int, ...], ...]
    """Segments with which each begins; seen once."""
    each: tuple[tuple[tuple[int, ...], ...], ...]
    """For each window the segments behind the preamble."""
    log_weight: float = 0.0
    """Added to the log-sum-exp of every window's own tokens: 0 counts them as they are."""
    texts: tuple[tuple[Text | None, ...], ...] = ()
    """As `Request.texts`, for the segments of each window behind the preamble."""


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt and what to do behind it."""

    segments: tuple[tuple[int, ...], ...]
    """The prompt; every segment closes a chunk. The last is the question and is always computed."""
    steps: tuple[Step, ...] = ()
    """The program; without steps the prompt is only read."""
    sampling: Sampling = Sampling()
    """How free text is drawn."""
    drafting: bool = True
    """Whether several guessed tokens may be checked in one pass: the tokens written are the same, but for ties that
    other shapes round otherwise in bf16."""
    behind: Windows | None = None
    """What the prompt stands behind; its first token is placed after the longest window."""
    texts: tuple[Text | None, ...] = ()
    """Whose text each segment is, as far as they are anybody's. What is nobody's is stored only in front of a text."""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """How likely are these continuations? Each is seen from the prompt alone, none sees another."""

    segments: tuple[tuple[int, ...], ...]
    """The prompt that all share."""
    branches: tuple[tuple[int, ...], ...]
    """The continuations, each of at least one token more than `tail`."""
    tail: int
    """Only the last `tail` tokens of each branch are scored."""
    behind: Windows | None = None
    """What the prompt stands behind, as in `Request`."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Independent requests: each prompt is read in turn, then all programs write together, a token each at a time."""

    requests: tuple[Request, ...]
    """In the order in which they are read; of those that memory cannot hold at once the rest wait."""


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Progress of reading a prompt."""

    done: int
    """Tokens in the cache."""
    of: int
    """Tokens in the prompt."""
    cached: int
    """Tokens that were there already."""
    seconds_left: float | None
    """Expected; None before the first chunk is measured."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Tokens of a prompt were found in the store."""

    tokens: int
    """How many are in the cache now because of it."""
    n_bytes: int
    """What they take there."""
    seconds: float
    """What bringing them took."""
    computes: bool = False
    """They are computed instead, because that is faster here than bringing them; then the rest is what is expected."""
    compute_s: float | None = None
    """What computing them is expected to take; None before the first measurement."""


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What is read is no longer stored; reading goes on. At most once a request."""

    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step of the program begins."""

    step: int
    """Its index."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token was generated or copied; forced ones are not reported."""

    step: int
    """Index of its step."""
    id: int
    """The token."""
    position: int | None = None
    """Where it stands in the source of a copy, once that is certain."""


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step of the program is over."""

    step: int
    """Its index."""
    reason: str
    """`stop`, `length`, `end` (of a copy), `exhausted` (no start is left), `chosen`, `forced`."""
    choice: int | None = None
    """Index of the chosen option."""
    start: int | None = None
    """Where a copy began in its source."""
    end: int | None = None
    """Where it ended, exclusive."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer to a score request."""

    values: tuple[float, ...]
    """Mean log-probability a token of each branch's tail."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every request."""

    reason: str
    """`done` or `cancelled`."""
    tokens_cached: int
    """Prompt tokens that were not computed again."""
    tokens_prefilled: int
    """Prompt tokens that were computed."""
    tokens_generated: int
    """Tokens generated or copied."""
    prefill_s: float
    """Seconds spent reading the prompt."""
    generate_s: float
    """Seconds spent on the program."""
    tokens_drafted: int = 0
    """Guessed and checked."""
    tokens_accepted: int = 0
    """Guessed rightly."""
    tokens_restored: int = 0
    """Of those that were not computed again, how many came from the store."""
    restore_s: float = 0.0
    """Seconds spent on bringing them; part of `prefill_s`."""


@dataclass(frozen=True, slots=True)
class OfOne:
    """What happened to one request of a batch; for each the last is `Finished`."""

    index: int
    """Which request."""
    event: Prefilled | Restored | Unsaved | StepBegan | Token | StepEnded | Finished
    """What."""


EngineEvent = Prefilled | Restored | Unsaved | StepBegan | Token | StepEnded | Scored | Finished | OfOne
