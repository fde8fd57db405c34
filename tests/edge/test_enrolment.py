"""A device that has a code and no key enrols by itself when it runs."""

import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from edge import identity, settings
from edge.enrolment import enrol, ensure
from edge.errors import CloudUnreachableError, EnrolmentRefusedError
from tests.edge.cloud_double import CODE, KEY, CloudDouble, serving


def _settings(url: str, state: Path, code: str | None = CODE) -> settings.Settings:
    return settings.load(
        cloud_url=url, state_dir=state, enrolment_code=SecretStr(code) if code else None
    )


def test_the_code_in_a_file_is_used_once(
    cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edge_enrolment_code").write_text(f"{CODE}\n")
    monkeypatch.setenv("EDGE_SECRETS_DIR", str(tmp_path))
    chosen = settings.load(cloud_url=cloud.url, state_dir=tmp_path / "state")
    assert CODE not in repr(chosen)
    ensure(chosen)
    assert identity.load(chosen.device_path).device_key.get_secret_value() == KEY
    # Enrolled, it needs neither the code nor the cloud.
    away = settings.load(cloud_url="http://127.0.0.1:1", state_dir=tmp_path / "state")
    ensure(away)


def test_it_waits_for_a_cloud_that_is_away(tmp_path: Path) -> None:
    double = CloudDouble()
    with serving(double):
        address = double.url
    chosen = _settings(address, tmp_path)
    waiting = threading.Thread(target=ensure, args=(chosen, None, (0.05, 0.1)))
    waiting.start()
    port = int(address.rpartition(":")[2])
    with serving(double, port=port):
        waiting.join(60)
    assert identity.load(chosen.device_path).gate == "main"


def test_waiting_can_be_ended(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(CloudUnreachableError):
        ensure(_settings("http://127.0.0.1:1", tmp_path), stop)


def test_a_code_that_is_refused_is_told_at_once(cloud: CloudDouble, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentRefusedError):
        ensure(_settings(cloud.url, tmp_path, "used"))


def test_without_a_code_nothing_is_done(cloud: CloudDouble, tmp_path: Path) -> None:
    ensure(_settings(cloud.url, tmp_path, None))
    assert not list(tmp_path.iterdir())


def test_enrolling_anew_replaces_the_key(cloud: CloudDouble, tmp_path: Path) -> None:
    enrol(_settings(cloud.url, tmp_path), CODE, "door")
    assert enrol(_settings(cloud.url, tmp_path), CODE).gate == "main"
