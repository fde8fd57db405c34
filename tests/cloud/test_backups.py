"""Backups by schedule: when they are due, and a real process that makes them."""

import os
import signal
import time as clocks
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from structlog.testing import capture_logs

from cloud.backups import RETRY_AFTER, Backups, Schedule
from cloud.store import Store, dated, newest, now
from tests.cloud.processes import environment, process, wait_until_it_answers
from tests.cloud.test_main import command
from tests.cloud.test_meters import value
from tests.doubles.redis_server import RedisServer, free_port

MADRID = ZoneInfo("Europe/Madrid")
NIGHT = datetime(2026, 3, 2, 2, 17, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


@pytest.mark.parametrize(
    ("text", "last", "due"),
    [
        ("6h", NIGHT, NIGHT + timedelta(hours=6)),
        ("1d", NIGHT, NIGHT + timedelta(days=1)),
        ("03:17", NIGHT - timedelta(minutes=1), NIGHT),
        ("03:17", NIGHT, NIGHT + timedelta(days=1)),
        (" 3:17 ", NIGHT + timedelta(hours=20), NIGHT + timedelta(days=1)),
        # The clocks go forward between these two nights: 23 hours lie between them.
        (
            "03:17",
            datetime(2026, 3, 28, 2, 17, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 17, tzinfo=UTC),
        ),
    ],
)
def test_when_the_next_backup_is_due(text: str, last: datetime, due: datetime) -> None:
    assert Schedule.read(text, MADRID).due_after(last) == due


@pytest.mark.parametrize("text", ["", "off", "24:00", "3", "1m", "0h", "6 h", "17 3 * * *"])
def test_a_text_that_is_no_schedule_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"03:17, or a length such as 6h"):
        Schedule.read(text, MADRID)


def test_a_backup_is_made_when_it_is_due_and_the_newest_are_kept(
    store: Store, tmp_path: Path
) -> None:
    clock = Clock(NIGHT - timedelta(hours=5))
    kept = Backups(store, tmp_path, Schedule.read("03:17", MADRID), 2, clock)
    assert kept.make_if_due(), "there is none yet"
    assert not kept.make_if_due()
    clock.moment = NIGHT
    assert kept.make_if_due()
    assert not kept.late()
    clock.moment = NIGHT + timedelta(days=3)
    assert kept.late(), "the machine was off"
    assert kept.make_if_due(), "what was missed is made up for, once"
    assert not kept.make_if_due()
    assert not kept.late()
    assert kept.last_success() == clock.moment.timestamp()
    assert sorted(tmp_path.iterdir()) == [dated(tmp_path, NIGHT), dated(tmp_path, clock.moment)]
    assert store.audit.page()[0][-1].act == "store.backed_up"


def test_a_backup_of_a_wrong_clock_keeps_no_other_from_being_made(
    store: Store, tmp_path: Path
) -> None:
    dated(tmp_path, NIGHT + timedelta(days=3650)).write_text("of the future")
    assert newest(tmp_path, NIGHT) is None
    kept = Backups(store, tmp_path, Schedule.read("1d", MADRID), 5, Clock(NIGHT))
    assert kept.make_if_due()
    assert newest(tmp_path, NIGHT) == NIGHT


def test_a_backup_that_fails_is_tried_again_and_is_late_in_the_end(
    store: Store, tmp_path: Path
) -> None:
    clock = Clock(NIGHT)
    folder = tmp_path / "backups"
    kept = Backups(store, folder, Schedule.read("1d", MADRID), 5, clock)
    with capture_logs() as logs:
        assert not kept.make_if_due()
        assert not kept.make_if_due(), "not at once"
    assert [(line["event"], line["again_in_s"]) for line in logs] == [("backup_failed", 300.0)]
    assert str(folder) in logs[0]["error"]
    clock.moment += timedelta(hours=1, minutes=1)
    assert kept.late()
    folder.mkdir()
    clock.moment += RETRY_AFTER
    assert kept.make_if_due()
    assert not kept.late()


@pytest.mark.usefixtures("store")
def test_the_backup_process_makes_a_backup_at_once_serves_metrics_and_ends_on_sigterm(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    broken_off = folder / f".{dated(folder, NIGHT).name}.abc"
    broken_off.touch()
    os.utime(broken_off, (NIGHT.timestamp(), NIGHT.timestamp()))
    port = free_port()
    env = environment(redis_server.url, CLOUD_METRICS_PORT=str(port))
    words = ("backup", str(folder), "--schedule", "03:17", "--keep", "3")
    with process(*words, env=env, log=tmp_path / "log") as running:
        wait_until_it_answers(f"http://127.0.0.1:{port}", "/metrics")
        give_up = clocks.monotonic() + 60
        while newest(folder, now()) is None:
            assert clocks.monotonic() < give_up, running.log
            clocks.sleep(0.05)
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        assert value(page, "maskgate_backup_late") == 0
        last = value(page, "maskgate_backup_last_success_timestamp_seconds")
        assert last is not None
        assert 0 <= now().timestamp() - last < 600
        running.running.send_signal(signal.SIGTERM)
        assert running.running.wait(timeout=60) == 0
        assert '"backup_made"' in running.log
    [made] = folder.iterdir()
    done = command("restore", str(made), env=env)
    assert "--force" in done.stderr


def test_the_option_schedule_needs_a_folder_and_a_schedule(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    env = environment(redis_server.url)
    done = command("backup", str(tmp_path / "no"), "--schedule", "6h", env=env)
    assert done.exit_code == 2
    assert "--schedule writes into a folder" in done.stderr
    done = command("backup", str(tmp_path), "--schedule", "nightly", env=env)
    assert done.exit_code == 2
    assert "03:17" in done.stderr
