"""What holds for every command: help, usage errors, interruption, bugs, closed pipes."""

from __future__ import annotations

import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nemo_docs import __version__
from nemo_docs.cli import cli, run
from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs


def commands(group: click.Group = cli, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


COMMANDS = dict(commands())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_an_example(nemo_docs: NemoDocs, path: tuple[str, ...]) -> None:
    done = nemo_docs(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Usage: nemo-docs {' '.join(path)}" in done.out
    assert COMMANDS[path].help
    assert f"\n    nemo-docs {' '.join(path)}" in done.out.partition("Examples:")[2]


@pytest.mark.parametrize("path", [(), ("model",), ("config",)], ids=" ".join)
def test_no_summary_in_a_list_of_commands_is_cut_short(nemo_docs: NemoDocs, path: tuple[str, ...]) -> None:
    listed = nemo_docs(*path, "--help").out.partition("Commands:")[2].partition("\n\n")[0]
    assert listed
    assert "..." not in listed


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_has_help(path: tuple[str, ...]) -> None:
    options = [each for each in COMMANDS[path].params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


def test_alone_it_prints_the_help(nemo_docs: NemoDocs) -> None:
    done = nemo_docs()
    assert done.code == 0
    assert done.out == nemo_docs("--help").out


def test_version(nemo_docs: NemoDocs) -> None:
    assert nemo_docs("--version") == (0, f"nemo-docs {__version__}\n", "")


def test_unknown_command_is_a_usage_error(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("serach")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.startswith("Error: No such command 'serach'.")
    assert "hint: See `nemo-docs --help`." in done.err


@pytest.mark.parametrize("arguments", [("\x1b[2J",), ("show", "\x1b]0;owned\x07"), ("list", "--\x9bx")])
def test_hostile_argument_is_shown_as_text(nemo_docs: NemoDocs, arguments: tuple[str, ...]) -> None:
    done = nemo_docs(*arguments)
    assert done.code != 0
    assert not {"\x1b", "\x07", "\x9b"} & set(done.out + done.err)


def test_bug_leaves_one_sentence_and_a_private_log_without_text(
    home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        text = "secret of the document"
        raise RuntimeError(text)

    monkeypatch.setitem(cli.commands, "broken", click.Command("broken", callback=broken))
    assert run(["broken"]) == ExitCode.FAILED
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "Error: Something unexpected went wrong (RuntimeError)."
    assert "Traceback" not in err
    (log,) = (home / "state").iterdir()
    assert str(log) in err
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "in broken" in log.read_text()
    assert "secret of the document" not in log.read_text()


def test_interrupt_is_one_line_and_130(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.commands, "interrupted", click.Command("interrupted", callback=interrupted))
    assert run(["interrupted"]) == ExitCode.INTERRUPTED
    assert capfd.readouterr() == ("", "Interrupted.\n")


def test_reader_that_leaves_ends_the_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "nemo_docs", "config"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.FAILED, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_output_that_cannot_be_written_is_one_sentence(home: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nemo_docs", "config"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.splitlines()[0].startswith("Error: Writing failed: ")
    assert not home.exists()


@pytest.mark.skipif(os.name == "nt", reason="descriptors cannot be closed by a shell there")
@pytest.mark.parametrize(("closed", "code"), [("<&-", 2), (">&-", 2), ("2>&-", 2), ("<&- >&- 2>&-", 2)])
def test_closed_streams_are_streams_to_nowhere(closed: str, code: int) -> None:
    command = f'"$0" -m nemo_docs ask - {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert "unexpected" not in done.stderr


def test_output_has_no_colour_on_a_terminal() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "nemo_docs", "config"], stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 65536):
                shown += piece
        except OSError:  # Linux's end of file on a pseudo-terminal
            pass
    os.close(master)
    assert process.returncode == 0
    assert b"model = smollm2" in shown
    assert b"\x1b" not in shown


@pytest.mark.skipif(os.name != "posix", reason="signals to a process are POSIX")
def test_ctrl_c_while_starting_is_quiet() -> None:
    """Of the whole of main, imports included: the signal comes as soon as main is entered."""
    code = "import os, signal, sys\nfrom nemo_docs.__main__ import main\n" + (
        "sys.argv = ['nemo-docs', 'list']\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'nemo_docs.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "Interrupted.\n")
