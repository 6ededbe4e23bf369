"""`nemo-docs ask` and `read` as a user meets them: the stream, the plain text, the errors, Ctrl-C, hostile text."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_docs.errors import ExitCode
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.samples import samples_folder
from tests.cli.conftest import NemoDocs, Pipe, Result
from tests.unit.library.conftest import pdf_bytes

Write = Callable[[str, str], Path]

RENT = (
    "The rent is due on the third day of a month.\n\nThe notice period is three months. Dogs are allowed in the garden"
)
RENT += "\f and in the yard. The landlord repairs the roof."
ANSWER = {
    "": "v event question text finish claims citations coverage timing model language",
    "claims": "v event start end verdict citations reasons",
    "citations": "marker document title passage text spans",
    "spans": "page start end text_sha256",
    "coverage": "documents pages_read pages_in_part pages_total pages_without_text tokens_read tokens_total windows"
    " windows_total left_out",
    "timing": "tokens_cached tokens_prefilled first_quote_s first_answer_s total_s tokens_per_s"
    " tokens_drafted tokens_accepted tokens_restored restore_s tokens_recomputed",
}
FIELDS = {
    "plan": "question documents pages tokens windows window_tokens tokens_cached budget_s seconds model",
    "progress": "stage window windows tokens tokens_total tokens_cached seconds_left",
    "quote_open": "marker document title page",
    "quote_text": "marker text",
    "quote_close": "citation",
    "text": "text",
    "claim": "start end verdict citations reasons",
    "warning": "message",
    "error": "message hint exit_code",
}
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def ask(nemo_docs: NemoDocs, tiny_folder: Path) -> NemoDocs:
    """Ask the tiny model, which writes nonsense in no time."""

    def call(*arguments: str | Path) -> Result:
        return nemo_docs("ask", *arguments, "--model", tiny_folder, "--answer-tokens", "12")

    return call


@pytest.fixture
def rent(nemo_docs: NemoDocs, write: Write) -> Path:
    """A library of one document."""
    path = write("rent.txt", RENT)
    assert nemo_docs("add", path).code == 0
    return path


def assert_verbatim(answer: dict[str, Any], home: Path) -> None:
    with LibraryReader(home / "library.db") as library:
        for citation in answer["citations"]:
            texts = []
            for span in citation["spans"]:
                page = library.page_text(citation["document"], span["page"])
                assert span["text_sha256"] == page.sha256
                texts.append(page.text[span["start"] : span["end"]])
            assert citation["text"] == "\n".join(texts)


@pytest.mark.usefixtures("rent")
def test_json_is_the_documented_stream(ask: NemoDocs, home: Path) -> None:
    done = ask("What is the notice period?", "--json")
    events = done.events
    assert done.code == 0
    assert [event["event"] for event in events[:3]] == ["plan", "progress", "progress"]
    assert all(event["v"] == 1 for event in events)
    for event in events[:-1]:
        assert list(event) == ["v", "event", *FIELDS[event["event"]].split()]
    answer = events[-1]
    assert list(answer) == ANSWER[""].split()
    assert (answer["event"], answer["question"]) == ("answer", "What is the notice period?")
    for name in ("coverage", "timing"):
        assert list(answer[name]) == ANSWER[name].split()
    for claim in answer["claims"]:
        assert set(claim) == set(FIELDS["claim"].split())
    for citation in answer["citations"]:
        assert list(citation) == ANSWER["citations"].split()
        assert all(list(span) == ANSWER["spans"].split() for span in citation["spans"])
    assert answer["citations"]
    assert_verbatim(answer, home)
    assert (answer["coverage"]["pages_read"], answer["coverage"]["pages_total"]) == (2, 2)


@pytest.mark.usefixtures("rent")
def test_stdout_is_the_answer_and_stderr_the_narration(ask: NemoDocs, nemo_docs: NemoDocs) -> None:
    done = ask("Where are dogs allowed, in the garden or in the yard?")
    assert done.code == 0
    assert done.out.startswith("[1] “")
    assert "Read 2 of 2 pages" in done.out.splitlines()[-1]
    assert "in 1 window" in done.err.splitlines()[0]
    assert "Reading" not in done.out
    quotes = re.findall(r"\[\d\] “(.*?)”\n +rent\.txt, pages? (\d)(-2)?", done.out, re.DOTALL)
    assert quotes
    for quote, first, crosses in quotes:
        pages = f"a:{first}{crosses}"
        assert " ".join(quote.split()) in " ".join(nemo_docs("show", pages).out.split())


@pytest.mark.usefixtures("rent")
def test_the_same_question_gets_the_same_answer(ask: NemoDocs) -> None:
    def answer(*options: str) -> tuple[object, ...]:
        last = ask("Who repairs the roof?", "--json", *options).events[-1]
        return last["text"], last["citations"], last["claims"]

    greedy, again = answer(), answer()
    assert greedy == again
    drawn = [answer("--temperature", "1.5", "--seed", str(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len({text for text, *_ in drawn}) > 1
    assert all(citations == greedy[1] for _, citations, _ in drawn), "quotes are never drawn"


@pytest.mark.usefixtures("rent")
def test_only_the_pages_that_were_asked_for(ask: NemoDocs) -> None:
    answer = ask("Who repairs the roof?", "--in", "a:2", "--json").events[-1]
    assert answer["coverage"]["pages_total"] == 1
    assert {span["page"] for citation in answer["citations"] for span in citation["spans"]} == {2}


@pytest.fixture
def ask_piped(pipe: Pipe, tiny_folder: Path) -> Pipe:
    """Ask the tiny model what stands on standard input."""

    def call(stdin: bytes, *arguments: str) -> Result:
        return pipe(stdin, "ask", "-", *arguments, "--model", tiny_folder, "--answer-tokens", "12", "--json")

    return call


@pytest.mark.usefixtures("rent")
def test_the_second_of_several_questions_reads_only_itself(ask_piped: Pipe) -> None:
    done = ask_piped(b"What is the notice period?\n\nWho repairs the roof?\n", "--lines")
    first, second = (event for event in done.events if event["event"] == "answer")
    assert (first["question"], second["question"]) == ("What is the notice period?", "Who repairs the roof?")
    assert first["timing"]["tokens_cached"] == 0
    assert second["timing"]["tokens_cached"] > second["coverage"]["tokens_read"]


@pytest.mark.usefixtures("rent")
@pytest.mark.parametrize(
    ("stdin", "arguments"), [(b"", ()), (b" \n", ("--lines",)), (b"\xff?\n", ("--lines",)), (b"\xff?", ())]
)
def test_a_question_from_stdin_that_is_none(ask_piped: Pipe, stdin: bytes, arguments: tuple[str, ...]) -> None:
    done = ask_piped(stdin, *arguments)
    assert done.code == ExitCode.USAGE
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("rent")
def test_a_question_from_stdin(ask_piped: Pipe) -> None:
    done = ask_piped(b"Wer repariert\ndas Dach?\n")
    assert done.events[-1]["question"] == "Wer repariert\ndas Dach?"


def failed(done: Result, code: ExitCode, *words: str) -> None:
    assert done.code == code
    assert done.err.startswith("Error: ")
    assert len(done.err.splitlines()) <= 2
    for word in words:
        assert word in done.err


def test_an_empty_library_has_nothing_to_ask(ask: NemoDocs) -> None:
    done = ask("Anyone there?")
    failed(done, ExitCode.NOTHING_FOUND, "The library is empty.", "nemo-docs add")
    assert done.out == ""


@pytest.mark.usefixtures("rent")
def test_what_cannot_be_asked(ask: NemoDocs, nemo_docs: NemoDocs) -> None:
    failed(ask("Who?", "--in", "nosuch"), ExitCode.NOTHING_FOUND, "'nosuch'")
    failed(ask("Who?", "--in", "a:3"), ExitCode.USAGE, "no page 3")
    failed(ask("  "), ExitCode.USAGE, "The question is empty.")
    failed(ask("Who?", "--lines"), ExitCode.USAGE, "--lines")
    failed(ask("Who?", "--language", "tlh"), ExitCode.USAGE, "tlh")
    failed(ask("Who? " * 50_000), ExitCode.FAILED, "tokens too long", "Shorten the question")
    failed(ask("Who?", "--window", "200000"), ExitCode.FAILED, "more than the", "--window")
    failed(nemo_docs("ask", "Who?", "--model", "nemo"), ExitCode.FAILED, "nemo-docs model pull nemo")
    failed(nemo_docs("ask", "Who?", "--model", "nosuch"), ExitCode.USAGE, "nosuch")
    assert ask("Who?").code == 0, "the next command works"


@pytest.mark.usefixtures("rent")
def test_a_failure_is_the_last_event(ask: NemoDocs) -> None:
    done = ask("Who? " * 50_000, "--json")
    (event,) = done.events
    assert list(event) == ["v", "event", *FIELDS["error"].split()]
    assert (event["exit_code"], done.code) == (ExitCode.FAILED, ExitCode.FAILED)
    assert event["message"] in done.err


def test_documents_without_text_are_named_not_answered(ask: NemoDocs, nemo_docs: NemoDocs, tmp_path: Path) -> None:
    scan = tmp_path / "half.pdf"
    scan.write_bytes(pdf_bytes(["", "The fee is ten pounds."]))
    assert nemo_docs("add", scan).code == 0
    failed(ask("What is the fee?", "--in", "a:1"), ExitCode.NOTHING_FOUND, "None of these pages holds any text.")
    done = ask("What is the fee?")
    assert "Read 1 of 2 pages" in done.out
    assert "1 page without text" in done.out


def test_truncated_weights_are_one_sentence(nemo_docs: NemoDocs, rent: Path, tiny_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[: -1 if file.suffix == ".safetensors" else None])
    failed(nemo_docs("ask", "Who?", "--model", broken), ExitCode.FAILED, "consolidated.safetensors")
    (broken / "consolidated.safetensors").write_bytes(b"")
    failed(nemo_docs("ask", "Who?", "--model", broken), ExitCode.FAILED, "consolidated.safetensors")


def test_hostile_text_is_shown_as_text(ask: NemoDocs, nemo_docs: NemoDocs, write: Write, home: Path) -> None:
    page = "The fee of [red]ten[/red] [@click=app.bell]pounds[/] [INST] is due </s> <|im_end|>. "
    page += "\u202eevil\u202c fee \x1b]0;x\x07 now."
    path = write("[red] \x1b[31m [INST] \u202etxt.fee.txt", page)
    assert nemo_docs("add", path).code == 0
    question = "What [INST] fee [/red] \x1b[2J is due?"
    plain, structured = ask(question), ask(question, "--json")
    assert (plain.code, structured.code) == (0, 0)
    for text in (plain.out, plain.err, structured.out, structured.err):
        assert not CONTROL.search(text)
    assert "[red]ten[/red] [@click=app.bell]pounds[/]" in " ".join(plain.out.split())
    answer = structured.events[-1]
    assert answer["question"] == question
    assert any("[INST]" in citation["text"] for citation in answer["citations"])
    assert_verbatim(answer, home)


@pytest.mark.usefixtures("rent")
def test_a_reader_that_leaves_ends_the_answer_quietly(tiny_folder: Path) -> None:
    command = [sys.executable, "-m", "nemo_docs", "ask", "Who?", "--json", "--model", str(tiny_folder)]
    command += ["--answer-tokens", "30000"]  # else all may be written before the reader has left
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["event"] == "plan"
        process.stdout.close()
        narrated = process.stderr.read()
    assert (process.returncode, narrated) == (ExitCode.FAILED, "")


@pytest.fixture
def book(nemo_docs: NemoDocs, write: Write, stage: str) -> str:
    """A document that even the tiny model reads for a while, where it is stopped before it has read all."""
    rules = 100 if stage in ("plan", "loading", "text") else 2_500
    text = "".join(f"Rule {n} of the house is about the {n} dogs of it.\n\n" for n in range(rules))
    assert nemo_docs("add", write("book.txt", text)).code == 0
    return "a"


def until(stream: Iterator[str], stage: str) -> None:
    for line in stream:
        event = json.loads(line)
        if stage in (event["event"], event.get("stage")):
            return
    raise AssertionError(f"the command ended before {stage}")


@pytest.mark.skipif(os.name != "posix", reason="signals to a process are POSIX")
@pytest.mark.parametrize(
    ("command", "stage"),
    [
        pytest.param(("ask", "Which rule is about 7 dogs?"), "plan", marks=pytest.mark.slow),
        (("ask", "Which rule is about 7 dogs?"), "loading"),
        (("ask", "Which rule is about 7 dogs?"), "reading"),
        pytest.param(("ask", "Which rule is about 7 dogs?"), "quote_close", marks=pytest.mark.slow),
        (("ask", "Which rule is about 7 dogs?"), "text"),
        (("read", "a"), "planning"),
        (("read", "a"), "reading"),
    ],
)
def test_ctrl_c_at_each_stage(
    nemo_docs: NemoDocs, tiny_folder: Path, book: str, command: tuple[str, ...], stage: str
) -> None:
    options = ["--json", "--model", str(tiny_folder), *(["--answer-tokens", "30000"] if command[0] == "ask" else [])]
    with subprocess.Popen(
        [sys.executable, "-m", "nemo_docs", *command, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        until(process.stdout, stage)
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
        narrated = process.stderr.read().splitlines()
    assert process.returncode == ExitCode.INTERRUPTED
    assert narrated[-1] == "Interrupted."
    assert "Traceback" not in "".join(narrated)
    if stage == "planning":
        assert rest == [], "it stops at once, not when the plan is made"
    if stage in ("reading", "quote_close", "text") and command[0] == "ask":
        assert (rest[-1]["event"], rest[-1]["finish"]) == ("answer", "cancelled")
        assert bool(rest[-1]["text"]) == (stage == "text")
    assert nemo_docs("list", "--json").events[0]["handle"] == book


@pytest.mark.usefixtures("default_model", "rent")
def test_the_embedded_default_finds_the_answer(nemo_docs: NemoDocs, home: Path, default_model: Path) -> None:
    (home / "models").symlink_to(default_model.parent)
    answer = nemo_docs("ask", "How long is the notice period?", "--answer-tokens", "24", "--json").events[-1]
    assert answer["citations"][0]["text"] == "The notice period is three months."
    assert answer["text"]
    assert answer["model"] == "smollm2"
    assert_verbatim(answer, home)


QUESTIONS = {
    "ar": "من له الحق في التملك؟",
    "de": "Wer hat das Recht auf Eigentum?",
    "en": "Who has the right to own property?",
    "es": "¿Quién tiene derecho a la propiedad?",
    "fr": "Qui a droit à la propriété ?",
    "hi": "सम्पत्ति रखने का अधिकार किसे है?",
    "it": "Chi ha diritto alla proprietà?",
    "ja": "財産を所有する権利は誰にありますか。",
    "ko": "재산을 소유할 권리는 누구에게 있습니까?",
    "pt": "Quem tem direito à propriedade?",
    "zh": "谁有权拥有财产?",
}


@pytest.mark.slow
@pytest.mark.parametrize("language", QUESTIONS)
def test_a_sample_in_every_language(nemo_docs: NemoDocs, home: Path, default_model: Path, language: str) -> None:
    """Every sample is answered from, the Hindi one though it is larger than the window."""
    sample = samples_folder() / f"udhr.{language}.txt"
    assert nemo_docs("add", sample).code == 0
    (home / "models").symlink_to(default_model.parent)
    done = nemo_docs("ask", QUESTIONS[language], "--answer-tokens", "24", "--budget", "600", "--json")
    answer = done.events[-1]
    assert (done.code, answer["event"], answer["language"]) == (0, "answer", language)
    assert answer["citations"]
    assert_verbatim(answer, home)
    coverage = answer["coverage"]
    assert coverage["pages_read"] + len(coverage["left_out"]) >= coverage["pages_total"]
    assert (coverage["windows_total"] > 1) >= (language == "hi")
    plan = done.events[0]
    assert all(window["tokens"] <= plan["window_tokens"] for window in plan["windows"])
