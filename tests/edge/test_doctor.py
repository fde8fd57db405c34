import shutil
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edge import doctor, settings
from edge.delivery.outbox import Outbox
from edge.doctor import CheckResult, CheckStatus
from edge.inference import processor
from edge.settings import InferencePrecision
from tests.edge import standins
from tests.edge.capture.test_sources import video
from tests.edge.cloud_double import CloudDouble
from tests.edge.delivery.small_disk import fill, remount
from tests.edge.delivery.test_outbox import event


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return str(video(tmp_path / "clip.avi", 2))


def examine(source: str) -> dict[str, CheckResult]:
    return {check.name: check for check in doctor.run_checks(settings.load(source=source))}


def test_all_is_well_with_a_good_set_up(installed: Path, clip: str) -> None:
    checks = examine(clip)
    assert {name: check.status for name, check in checks.items()} == dict.fromkeys(
        ["models", "camera", "state folder", "outbox", "enrolment", "cloud", "key", "clock"],
        CheckStatus.OK,
    )
    assert not any(check.mend for check in checks.values())
    assert "320×240" in checks["camera"].detail
    assert checks["models"].detail.count("(f32)") == 2


def test_nothing_is_changed_by_looking(installed: Path, clip: str) -> None:
    before = sorted(p.name for p in installed.iterdir())
    examine(clip)
    assert sorted(p.name for p in installed.iterdir()) == before


def test_a_precision_whose_verdicts_nobody_measured_is_said(
    installed: Path, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = processor.precisions() - {InferencePrecision.F32}
    if not offered:
        pytest.skip("this processor computes in f32 alone")
    monkeypatch.setenv("EDGE_INFERENCE_PRECISION", min(offered))
    check = examine(clip)["models"]
    assert check.status is CheckStatus.WARN
    assert "EDGE_INFERENCE_PRECISION" in check.mend


def test_everything_that_is_wrong_is_said_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGE_STATE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("EDGE_DETECTOR", str(tmp_path / "no.xml"))
    monkeypatch.setenv("EDGE_CLOUD_URL", "http://127.0.0.1:1")
    checks = examine("/nowhere")
    failed = {name for name, check in checks.items() if check.status is CheckStatus.FAIL}
    assert failed == {"models", "camera", "state folder", "enrolment", "cloud"}
    assert all(checks[name].mend for name in failed)


def test_an_altered_model_is_named(
    installed: Path, models_dir: Path, tmp_path: Path, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(models_dir, tmp_path / "models"))
    (folder / "detector.bin").write_bytes(b"other")
    monkeypatch.setenv("EDGE_DETECTOR", str(folder / "detector.xml"))
    check = examine(clip)["models"]
    assert check.status is CheckStatus.FAIL
    assert "detector.bin has SHA-256" in check.detail


def test_a_model_that_was_never_tested_on_a_label_is_a_warning(
    installed: Path, tmp_path: Path, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = standins.write(
        tmp_path / "own",
        classifier=standins.INFO["classifier"] | {"untested_labels": "incorrect_mask"},
    )
    monkeypatch.setenv("EDGE_CLASSIFIER", str(folder / "classifier.xml"))
    check = examine(clip)["models"]
    assert check.status is CheckStatus.WARN
    assert "never tested on faces that are incorrect_mask" in check.detail
    assert "docs/retrain" in check.mend


def test_what_waits_and_what_was_rejected_is_shown(installed: Path, clip: str) -> None:
    first, second = event(), event()
    with Outbox(installed / "outbox.db") as box:
        box.put(first)
        assert examine(clip)["outbox"].status is CheckStatus.WARN
        box.put(second)
        box.reject(first.id, "event_conflict: another body")
        check = examine(clip)["outbox"]
    assert check.status is CheckStatus.WARN
    assert "1 waiting, 1 rejected" in check.detail
    assert str(first.id) in check.detail
    assert "another body" in check.detail


def test_a_key_that_others_may_read_is_noticed(installed: Path, clip: str) -> None:
    (installed / "device.json").chmod(0o644)
    check = examine(clip)["enrolment"]
    assert (check.status, check.mend) == (
        CheckStatus.WARN,
        f"Run `chmod 600 {installed / 'device.json'}`",
    )


def test_a_cloud_that_is_not_ready_is_told_from_one_that_is_away(
    installed: Path, cloud: CloudDouble, clip: str
) -> None:
    cloud.ready = False
    check = examine(clip)["cloud"]
    assert check.status is CheckStatus.WARN
    assert "store_unavailable" in check.detail


@pytest.mark.parametrize(("minutes", "words"), [(5, "behind"), (-5, "ahead of")])
def test_a_clock_that_is_off_is_noticed(
    installed: Path, cloud: CloudDouble, clip: str, minutes: int, words: str
) -> None:
    cloud.date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    check = examine(clip)["clock"]
    assert check.status is CheckStatus.WARN
    assert words in check.detail


# Broken set-ups, with the words that a person reads.


def said(source: str, name: str) -> str:
    check = examine(source)[name]
    return f"{check.status}: {check.detail} | {check.mend}"


def test_a_refused_key_is_said(installed: Path, cloud: CloudDouble, clip: str) -> None:
    cloud.key = "another"
    assert said(clip, "key").startswith("fail: the cloud does not accept this device's key: ")
    assert said(clip, "key").endswith(
        " | Enrol the device again: `python -m edge enrol --code CODE`"
    )


def test_a_missing_camera_is_said(installed: Path) -> None:
    assert said("/dev/video99", "camera").startswith("fail: source /dev/video99 does not exist | ")


def test_an_unreachable_cloud_is_said(
    installed: Path, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_CLOUD_URL", "http://127.0.0.1:1")
    assert said(clip, "cloud").startswith(
        "fail: http://127.0.0.1:1 cannot be reached: Connection refused"
    )
    assert said(clip, "cloud").endswith(" | Check the network and EDGE_CLOUD_URL")
    assert "key" not in examine(clip)


def test_an_address_of_another_server_is_said(
    installed: Path, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as another:
        threading.Thread(target=another.serve_forever, args=(0.02,)).start()
        monkeypatch.setenv("EDGE_CLOUD_URL", f"http://127.0.0.1:{another.server_port}")
        words = said(clip, "cloud")
        another.shutdown()
    assert " answered 501: " in words
    assert " | Something else than the cloud's API answered: check EDGE_CLOUD_URL" in words


def test_a_model_that_does_not_exist_is_said(
    installed: Path, clip: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_DETECTOR", str(tmp_path / "no.xml"))
    assert said(clip, "models") == (
        f"fail: model {tmp_path / 'no.xml'} does not exist"
        " | Check EDGE_DETECTOR, or remove it for the model that comes with the edge"
    )


def test_a_damaged_outbox_is_said_before_and_after_it_is_set_aside(
    installed: Path, clip: str
) -> None:
    path = installed / "outbox.db"
    path.write_bytes(b"these are not the bytes of a database" * 50)
    assert said(clip, "outbox") == (
        f"fail: outbox {path} is damaged: file is not a database"
        " | `python -m edge run` sets the file aside, and saves what can still be read"
    )
    Outbox(path).close()
    assert said(clip, "outbox").startswith(
        f"warn: 0 waiting; a damaged file was set aside: {path}.damaged-"
    )


def test_an_outbox_that_is_gone_is_said(installed: Path, clip: str) -> None:
    path = installed / "outbox.db"
    Outbox(path).close()
    path.unlink()
    assert said(clip, "outbox").startswith(f"fail: outbox {path} is gone; there was one before | ")


def test_a_full_disk_is_said(
    installed: Path, clip: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_STATE_DIR", str(small_disk))
    fill(small_disk)
    assert said(clip, "state folder") == (
        f"fail: 0 MiB are free on the disk of {small_disk} | Free space on this disk"
    )


def test_a_read_only_disk_is_said(
    installed: Path, clip: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_STATE_DIR", str(small_disk))
    remount(small_disk, "ro")
    assert said(clip, "state folder") == (
        f"fail: {small_disk} cannot be written"
        f" | Make {small_disk} writable for this user, or set EDGE_STATE_DIR"
    )
