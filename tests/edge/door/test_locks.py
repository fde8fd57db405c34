"""A lock opens on `admitted` alone."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from cloud.contract import Outcome
from edge.door.admission import Answer
from edge.door.locks import Buzzer, CommandLock, Locks, RelayLock, WebhookLock
from edge.errors import SettingsError

ADMITTED = Answer(Outcome.ADMITTED, "Welcome.")
REFUSED = [Answer(outcome, "No.") for outcome in Outcome if outcome is not Outcome.ADMITTED]


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    Device.pin_factory = MockFactory()
    yield Device.pin_factory
    Device.pin_factory.reset()
    Device.pin_factory = None


def test_the_relay_closes_on_admitted_alone_and_opens_again_by_itself(pins: MockFactory) -> None:
    lock = RelayLock("GPIO17", 0.05)
    pin = pins.pin(17)
    for answer in REFUSED:
        lock.on_answer(answer)
    assert [state.state for state in pin.states] == [False]
    lock.on_answer(ADMITTED)
    lock._relay._blink_thread.join()
    assert [state.state for state in pin.states] == [False, True, False]
    lock.close()


def test_a_relay_that_is_active_low_rests_high(pins: MockFactory) -> None:
    lock = RelayLock("GPIO17", 0.05, active_low=True)
    pin = pins.pin(17)
    assert pin.state
    lock.on_answer(ADMITTED)
    lock._relay._blink_thread.join()
    assert [state.state for state in pin.states][-2:] == [False, True]
    lock.close()


def test_the_buzzer_sounds_at_a_refusal_alone(pins: MockFactory) -> None:
    buzzer = Buzzer("GPIO18")
    pin = pins.pin(18)
    buzzer.on_answer(ADMITTED)
    assert not pin.state
    buzzer.on_answer(REFUSED[0])
    buzzer._buzzer._blink_thread.join()
    assert [state.state for state in pin.states] == [False, True, False]
    buzzer.close()


def test_a_pin_that_does_not_exist_is_named(pins: MockFactory) -> None:
    with pytest.raises(SettingsError, match="GPIO99"):
        RelayLock("GPIO99", 1.0)


def test_a_command_runs_on_admitted_alone(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    lock = CommandLock(f"touch {opened}")
    lock.on_answer(REFUSED[0])
    assert not lock._running
    lock.on_answer(ADMITTED)
    lock._running[0].wait()
    assert opened.exists()


@pytest.mark.parametrize("command", ["", "touch 'a"])
def test_a_command_that_cannot_be_read_is_named(command: str) -> None:
    with pytest.raises(SettingsError, match="EDGE_DOOR_OPEN_COMMAND"):
        CommandLock(command)


def test_a_controller_on_the_network_is_called_on_admitted_alone() -> None:
    called = threading.Event()

    class Controller(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            called.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Controller) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        lock = WebhookLock(f"http://127.0.0.1:{server.server_address[1]}/open")
        lock.on_answer(REFUSED[0])
        lock.on_answer(ADMITTED)
        assert called.wait(30)
        thread.join()
        lock.close()


def test_a_lock_that_fails_does_not_keep_the_others_shut(tmp_path: Path) -> None:
    class Broken:
        def on_answer(self, answer: Answer) -> None:
            raise ValueError(answer.outcome)

        def close(self) -> None:
            pass

    opened = tmp_path / "opened"
    command = CommandLock(f"touch {opened}")
    Locks([Broken(), command]).on_answer(ADMITTED)
    command._running[0].wait()
    assert opened.exists()
