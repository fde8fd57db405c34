import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from cloud.contract import Command, DeviceSettings, GateSettings, ModelOrder, RolledKey
from edge.commands import CommandHandlers, CommandPoller, PollPacer
from edge.delivery.client import Client
from edge.errors import CloudUnreachableError, EdgeError
from tests.edge.cloud_double import KEY, CloudDouble


def command(number: int, kind: str) -> Command:
    return Command(id=f"{number}-0", kind=kind, issued_at=datetime.now(UTC))


class Hand:
    """Notes what it is ordered, and fails where it is told to."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.keys: list[str] = []
        self.settings: list[DeviceSettings] = []
        self.full = False

    def keep(self, rolled: RolledKey) -> None:
        if self.full:
            raise EdgeError("device.json cannot be written: no space left")
        self.keys.append(rolled.device_key)

    def handlers(self) -> CommandHandlers:
        return CommandHandlers(
            self.settings.append,
            self.keep,
            lambda: self.done.append("preview"),
            lambda: self.done.append("reload"),
        )


@pytest.fixture
def client(cloud: CloudDouble) -> Iterator[Client]:
    with Client(cloud.url, key=SecretStr(KEY), timeout_s=20) as made:
        yield made


def test_the_gates_settings_are_read_at_the_start_and_when_they_change(
    cloud: CloudDouble, client: Client
) -> None:
    hand = Hand()
    poller = CommandPoller(client, hand.handlers(), wait_s=0)
    poller.poll_once()
    poller.poll_once()
    assert [told.revision for told in hand.settings] == [0]
    cloud.settings = DeviceSettings(gate="main", settings=GateSettings(votes=9), revision=1)
    cloud.commands = [command(1, "settings_changed")]
    poller.poll_once()
    assert [told.settings.votes for told in hand.settings] == [None, 9]


def test_what_was_done_is_acknowledged_and_not_done_again(
    cloud: CloudDouble, client: Client
) -> None:
    hand = Hand()
    cloud.commands = [command(1, "preview_wanted"), command(2, "of_tomorrow"), command(3, "reload")]
    poller = CommandPoller(client, hand.handlers(), wait_s=0)
    poller.poll_once()
    poller.poll_once()
    assert hand.done == ["preview", "reload"]
    assert cloud.polls == ["", "3-0"]


def test_a_new_key_is_kept_before_it_is_used(cloud: CloudDouble, client: Client) -> None:
    hand = Hand()
    cloud.commands = [command(1, "roll_key")]
    poller = CommandPoller(client, hand.handlers(), wait_s=0)
    poller.poll_once()
    assert hand.keys == [cloud.key]
    assert cloud.key != KEY
    poller.poll_once()  # the double takes the new key alone by now


def test_a_key_that_cannot_be_kept_is_not_used_and_the_command_comes_again(
    cloud: CloudDouble, client: Client
) -> None:
    hand = Hand()
    hand.full = True
    cloud.commands = [command(1, "roll_key")]
    poller = CommandPoller(client, hand.handlers(), wait_s=0)
    with pytest.raises(EdgeError, match="no space left"):
        poller.poll_once()
    hand.full = False
    cloud.key = KEY  # the old key is good until the new one is used
    poller.poll_once()
    assert hand.keys == [cloud.key]
    assert cloud.polls == ["", ""]


def test_a_cloud_that_is_away_is_asked_again(cloud: CloudDouble) -> None:
    hand = Hand()
    with (
        Client("http://127.0.0.1:9", key=SecretStr(KEY)) as nowhere,
        pytest.raises(CloudUnreachableError),
    ):
        CommandPoller(nowhere, hand.handlers(), wait_s=0).poll_once()


def test_the_thread_does_what_comes_and_ends(cloud: CloudDouble, client: Client) -> None:
    hand = Hand()
    cloud.commands = [command(1, "reload")]
    poller = CommandPoller(client, hand.handlers(), wait_s=0, pause_s=(0.01, 0.05))
    poller.start()
    with cloud.changed:
        assert cloud.changed.wait_for(lambda: "1-0" in cloud.polls, timeout=60)
    poller.stop()
    assert hand.done == ["reload"]


def test_a_cloud_that_answers_at_once_is_asked_ever_more_rarely() -> None:
    pacer = PollPacer()
    pauses = [pacer.pause_after(0.1, had_commands=False) for _ in range(7)]
    assert pauses == pytest.approx([0.9, 1.9, 3.9, 7.9, 15.9, 29.9, 29.9])


def test_a_poll_that_the_cloud_held_is_followed_by_the_next_at_once() -> None:
    pacer = PollPacer()
    for _ in range(5):
        pacer.pause_after(0.0, had_commands=False)
    assert pacer.pause_after(50.0, had_commands=False) == 0
    assert pacer.pause_after(0.0, had_commands=False) == 1.0


def test_commands_that_come_at_once_are_followed_by_a_poll_within_a_second() -> None:
    pacer = PollPacer()
    pauses = [pacer.pause_after(0.2, had_commands=True) for _ in range(5)]
    assert pauses == pytest.approx([0.8] * 5)


def test_a_cloud_that_answers_at_once_gets_few_requests(
    cloud: CloudDouble, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    class Stop(threading.Event):
        """Notes each pause instead of waiting, and ends the poller after an hour of pauses."""

        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            if sum(waited) > 3600:
                self.set()
            return self.is_set()

    poller = CommandPoller(client, Hand().handlers(), wait_s=0)
    monkeypatch.setattr(poller, "_stop", Stop())
    poller._poll()
    assert len(cloud.polls) < 130


def test_orders_about_models_and_the_log_reach_their_handlers(
    cloud: CloudDouble, client: Client
) -> None:
    done: list[object] = []
    order = ModelOrder(role="classifier", sha256="0" * 64, size=1, path="/v1/devices/me/models/0")
    handlers = CommandHandlers(
        lambda _settings: None,
        lambda _key: None,
        update_model=done.append,
        roll_back_model=done.append,
        send_log=done.append,
    )
    now = datetime.now(UTC)
    cloud.commands = [
        Command(id="1-0", kind="update_model", issued_at=now, model=order),
        Command(id="2-0", kind="roll_back_model", issued_at=now, role="detector"),
        Command(id="3-0", kind="send_log", issued_at=now, lines=7),
        Command(id="4-0", kind="update_model", issued_at=now),
    ]
    CommandPoller(client, handlers, wait_s=0).poll_once()
    assert done == [order, "detector", 7], "a command that lacks its part is skipped"
