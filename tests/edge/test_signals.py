import io
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from cloud.contract import Label, Refusal, RefusalReason
from edge.errors import SettingsError
from edge.pipeline import event_of
from edge.signals import ConsoleDisplay, Signals, SoundCommand, TerminalBell
from edge.values import Box, ConnectionState, Verdict
from tests.edge.cloud_double import TOKEN, decide

BELL = "\x07"


def verdict(label: Label) -> Verdict:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Verdict(label, 0.8, 5, moment, moment, 1, Box(0, 0, 1, 1))


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (Label.WITH_MASK, "mask "),
        (Label.WITHOUT_MASK, "no mask"),
        (Label.INCORRECT_MASK, "mask worn wrongly"),
    ],
)
def test_the_screen_says_each_verdict(console: Console, label: Label, words: str) -> None:
    ConsoleDisplay(console).on_verdict(verdict(label))
    assert words in shown(console)
    assert "80% of 5 votes" in shown(console)


def test_the_screen_never_shows_a_token(console: Console) -> None:
    decision = decide(event_of(verdict(Label.WITH_MASK), {}))
    assert decision.issued_pass is not None
    assert decision.issued_pass.token == TOKEN
    ConsoleDisplay(console).on_decision(decision)
    assert "granted" in shown(console)
    assert str(decision.issued_pass.id) in shown(console)
    assert TOKEN not in shown(console)


def test_the_screen_says_what_the_cloud_says_of_a_refusal(console: Console) -> None:
    ConsoleDisplay(console).on_decision(decide(event_of(verdict(Label.WITHOUT_MASK), {})))
    assert "refused" in shown(console)
    assert "Please put on a mask" in shown(console)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (RefusalReason.TOO_LATE, "too late"),
        (RefusalReason.CLOCK_AHEAD, "clock ahead"),
        (RefusalReason.GATE_CLOSED, "gate closed"),
        ("of_a_later_version", "no pass"),
    ],
)
def test_an_answer_about_another_moment_looks_and_sounds_like_no_refusal(
    reason: str, words: str
) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    decision = decide(event_of(verdict(Label.WITHOUT_MASK), {})).model_copy(
        update={"refusal": Refusal(reason=reason, message="Nobody is refused")}
    )
    Signals([ConsoleDisplay(console), TerminalBell(console)]).on_decision(decision)
    assert words in shown(console)
    assert "Nobody is refused" in shown(console)
    assert "refused  " not in shown(console)
    assert BELL not in shown(console)
    red_ground = "41m"  # ECMA-48 section 8.3.117: SGR 41 is a red background
    assert red_ground not in shown(console)
    ConsoleDisplay(console).on_decision(decide(event_of(verdict(Label.WITHOUT_MASK), {})))
    assert red_ground in shown(console)


def test_the_screen_says_offline_and_how_much_waits(console: Console) -> None:
    ConsoleDisplay(console).on_connection_change(ConnectionState.OFFLINE, 1)
    ConsoleDisplay(console).on_connection_change(ConnectionState.KEY_REFUSED, 2)
    assert "offline" in shown(console)
    assert "1 event waits" in shown(console)
    assert "key refused" in shown(console)
    assert "2 events wait" in shown(console)


def test_the_bell_rings_on_a_refusal_alone(console: Console) -> None:
    bell = TerminalBell(console)
    bell.on_verdict(verdict(Label.WITH_MASK))
    assert BELL not in shown(console)
    bell.on_verdict(verdict(Label.WITHOUT_MASK))
    bell.on_verdict(verdict(Label.INCORRECT_MASK))
    assert shown(console).count(BELL) == 2


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_command_runs_on_a_refusal_without_a_shell(tmp_path: Path) -> None:
    mark = tmp_path / "a mark; $(echo no shell)"
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"
    sound = SoundCommand(f"{sys.executable} -c '{code}' '{mark}'")
    sound.on_verdict(verdict(Label.WITH_MASK))
    assert not mark.exists()
    sound.on_verdict(verdict(Label.WITHOUT_MASK))
    wait_for(mark)
    assert sound._running is not None
    assert sound._running.wait(60) == 0


def test_one_command_runs_at_a_time() -> None:
    sound = SoundCommand("sleep 60")
    sound.on_verdict(verdict(Label.WITHOUT_MASK))
    first = sound._running
    assert first is not None
    sound.on_verdict(verdict(Label.WITHOUT_MASK))
    assert sound._running is first
    first.kill()
    first.wait(60)


def test_a_command_that_is_not_there_stops_no_door() -> None:
    sound = SoundCommand("/no/such/command")
    sound.on_verdict(verdict(Label.WITHOUT_MASK))
    assert sound._running is None


def test_a_command_with_a_lost_quote_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="EDGE_SOUND_COMMAND"):
        SoundCommand("aplay 'beep.wav")


def test_all_signals_are_told(console: Console) -> None:
    both = Signals([ConsoleDisplay(console), TerminalBell(console)])
    both.on_verdict(verdict(Label.WITHOUT_MASK))
    both.on_decision(decide(event_of(verdict(Label.WITHOUT_MASK), {})))
    both.on_connection_change(ConnectionState.ONLINE, 0)
    assert BELL in shown(console)
    assert "online" in shown(console)
