"""The commands as people type them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner, Result

from cloud.contract import CameraState, DeviceSettings, GateSettings, Label
from edge.__main__ import UNDELIVERED, app
from edge.delivery.database import inspect
from tests.edge import standins
from tests.edge.cloud_double import CODE, KEY, TOKEN, CloudDouble

ROOT = Path(__file__).parents[2]


def edge(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Somebody without a mask who puts one on after 2 s; 6 s at 10 frames/s."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for i in range(60):
        # A person sways: what stands quite still may be a picture.
        x = 100 + i % 5
        colour = standins.RED if i < 20 else standins.GREEN
        writer.write(standins.picture(colour, box=(x, 60, x + 80, 140)))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for name, colour in (("1", standins.RED), ("2", standins.GREEN), ("4", standins.BLUE)):
        cv2.imwrite(str(path / f"{name}.png"), standins.picture(colour))
    (path / "3.png").write_bytes(b"broken")
    return path


# run


def test_a_clip_becomes_events_at_the_cloud(
    installed: Path, cloud: CloudDouble, clip: Path
) -> None:
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == 0, result.output
    assert [e.label for e in cloud.events] == [Label.WITHOUT_MASK, Label.WITH_MASK]
    assert "2 verdicts, 0 events undelivered" in result.output
    assert "refused" in result.output
    assert "granted" in result.output
    assert TOKEN not in result.output
    assert KEY not in result.output
    assert inspect(installed / "outbox.db").depth == 0
    last = cloud.heartbeats[-1]
    assert last.camera is CameraState.ENDED
    assert last.finished
    assert last.outbox_depth == 0
    assert set(last.models) == {"detector", "classifier"}
    assert last.inference_precisions == {"detector": "f32", "classifier": "f32"}


def test_a_run_says_once_that_its_model_was_never_tested_on_a_label(
    installed: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = standins.write(
        tmp_path / "own",
        classifier=standins.INFO["classifier"] | {"untested_labels": "incorrect_mask"},
    )
    monkeypatch.setenv("EDGE_CLASSIFIER", str(folder / "classifier.xml"))
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == 0, result.output
    assert result.output.count("model_untested_label") == 1


def test_what_the_cloud_does_not_take_waits_for_the_next_run(
    installed: Path, cloud: CloudDouble, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DRAIN_TIMEOUT_S", "0.1")
    monkeypatch.setenv("EDGE_CLOUD_URL", "http://127.0.0.1:1")
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == UNDELIVERED, result.output
    assert "2 events undelivered" in result.output
    assert "offline" in result.output
    monkeypatch.delenv("EDGE_CLOUD_URL")
    monkeypatch.setenv("EDGE_DRAIN_TIMEOUT_S", "60")
    monkeypatch.setenv("EDGE_VOTES", "1000")  # nobody new
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == 0, result.output
    assert [e.label for e in cloud.events] == [Label.WITHOUT_MASK, Label.WITH_MASK]


def test_what_the_gate_was_set_to_holds_at_a_start_without_the_cloud(
    installed: Path, cloud: CloudDouble, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = GateSettings(votes=100)  # more frames than the clip has of either
    cloud.settings = DeviceSettings(gate="main", settings=nobody, revision=1)
    assert edge("run", "--source", clip).exit_code == 0
    told = len(cloud.events)
    monkeypatch.setenv("EDGE_DRAIN_TIMEOUT_S", "0.1")
    monkeypatch.setenv("EDGE_CLOUD_URL", "http://127.0.0.1:1")
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == 0, result.output
    assert "0 verdicts" in result.output
    assert len(cloud.events) == told


def test_without_enrolment_it_does_not_run(installed: Path, cloud: CloudDouble, clip: Path) -> None:
    (installed / "device.json").unlink()
    result = edge("run", "--source", clip)
    assert result.exit_code == 1
    assert "NotEnrolledError" in result.output
    assert "python -m edge enrol" in result.output
    assert cloud.attempts == 0


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("EDGE_SOURCE", "/nowhere.mp4", "SourceMissingError: source /nowhere.mp4"),
        ("EDGE_DETECTOR", "/nowhere.xml", "ModelMissingError"),
        ("EDGE_VOTES", "many", "EDGE_VOTES"),
        ("EDGE_SOUND_COMMAND", "aplay '", "EDGE_SOUND_COMMAND"),
    ],
)
def test_what_keeps_it_from_starting_is_a_sentence_and_no_trace(
    installed: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setenv("EDGE_SOURCE", str(clip))
    monkeypatch.setenv(variable, value)
    result = edge("run")
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output


def test_an_interrupt_ends_a_loop_in_order(installed: Path, cloud: CloudDouble, clip: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--loop", "--source", str(clip)],
        cwd=ROOT,
        env=os.environ | {"EDGE_HEARTBEAT_S": "0.2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        cloud.wait_for(1, timeout=60)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, output
    # Of the clip's two people the second may have been judged meanwhile.
    assert f"{len(cloud.events)} verdicts, 0 events undelivered" in output
    assert cloud.heartbeats[-1].camera is CameraState.ENDED
    assert not any(heartbeat.finished for heartbeat in cloud.heartbeats)


# detect


def test_pictures_become_a_line_each_and_a_broken_one_stops_nothing(
    installed: Path, folder: Path
) -> None:
    result = edge("detect", folder, "--json")
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(line["file"]).name for line in lines] == ["1.png", "2.png", "3.png", "4.png"]
    assert "error" in lines[2]
    labels = [line["faces"][0]["label"] for line in lines if "faces" in line]
    assert labels == ["without_mask", "with_mask", "incorrect_mask"]
    assert all(len(line["faces"]) == 2 for line in lines if "faces" in line)


def test_good_pictures_end_well(installed: Path, folder: Path) -> None:
    (folder / "3.png").unlink()
    result = edge("detect", folder / "1.png", folder / "2.png", "--json", "--min-score", "0.5")
    assert result.exit_code == 0, result.output
    assert [len(json.loads(line)["faces"]) for line in result.stdout.splitlines()] == [1, 1]


def test_people_get_a_table_and_pictures(installed: Path, folder: Path, tmp_path: Path) -> None:
    result = edge("detect", folder, "--annotate", tmp_path / "out")
    assert result.exit_code == 1
    assert "worn wrongly" in result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["1.jpg", "2.jpg", "4.jpg"]
    drawn = cv2.imread(str(tmp_path / "out" / "1.jpg"))
    assert drawn is not None
    assert drawn.shape == (240, 320, 3)


def test_a_path_that_is_not_there_is_an_error_line(installed: Path) -> None:
    result = edge("detect", "/nowhere.jpg", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "file": "/nowhere.jpg",
        "error": "/nowhere.jpg does not exist",
    }


# enrol


def test_a_code_becomes_a_device(
    tmp_path: Path, cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("EDGE_STATE_DIR", str(state))
    result = edge("enrol", "--code", CODE, "--cloud-url", cloud.url, "--name", "door")
    assert result.exit_code == 0, result.output
    assert KEY not in result.output
    kept = json.loads((state / "device.json").read_text())
    assert (kept["device_key"], kept["gate"], kept["cloud_url"]) == (KEY, "main", cloud.url)
    assert (state / "device.json").stat().st_mode & 0o777 == 0o600


def test_an_enrolled_device_is_not_enrolled_over(installed: Path, cloud: CloudDouble) -> None:
    before = (installed / "device.json").read_text()
    result = edge("enrol", "--code", CODE, "--cloud-url", cloud.url)
    assert result.exit_code == 1
    assert "--replace" in result.output
    assert (installed / "device.json").read_text() == before
    result = edge("enrol", "--code", CODE, "--cloud-url", cloud.url, "--replace")
    assert result.exit_code == 0, result.output


def test_a_device_with_a_code_enrols_when_it_runs(
    installed: Path, cloud: CloudDouble, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed / "device.json").unlink()
    monkeypatch.setenv("EDGE_CLOUD_URL", cloud.url)
    monkeypatch.setenv("EDGE_ENROLMENT_CODE", CODE)
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == 0, result.output
    assert len(cloud.events) == 2


def test_an_enrolled_device_is_left_as_it_is_where_that_is_asked_for(
    installed: Path, cloud: CloudDouble
) -> None:
    before = (installed / "device.json").read_text()
    result = edge("enrol", "--code", "used", "--cloud-url", cloud.url, "--if-missing")
    assert result.exit_code == 0, result.output
    assert (installed / "device.json").read_text() == before


@pytest.mark.parametrize(
    ("code", "url", "words"),
    [
        ("used", None, "EnrolmentRefusedError"),
        ("", None, "--code"),
        (CODE, "http://127.0.0.1:1", "CloudUnreachableError"),
        (CODE, "cloud", "EDGE_CLOUD_URL"),
    ],
)
def test_a_failed_enrolment_leaves_nothing(
    tmp_path: Path,
    cloud: CloudDouble,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    url: str | None,
    words: str,
) -> None:
    monkeypatch.setenv("EDGE_STATE_DIR", str(tmp_path))
    result = edge("enrol", "--code", code, "--cloud-url", url or cloud.url)
    assert result.exit_code == 1
    assert words in result.output
    assert not (tmp_path / "device.json").exists()


# doctor and bench


def test_the_doctor_says_ok_or_how_to_mend(installed: Path, clip: Path) -> None:
    assert edge("doctor", "--source", clip).exit_code == 0
    result = edge("doctor", "--source", "/nowhere")
    assert result.exit_code == 1
    assert "fail camera" in result.output
    assert "EDGE_SOURCE" in result.output


def test_machines_get_the_doctors_findings_as_json(installed: Path, clip: Path) -> None:
    result = edge("doctor", "--source", clip, "--json")
    said = json.loads(result.stdout)
    assert said["ok"] is True
    assert {"name", "finding", "detail", "mend"} == set(said["checks"][0])


def test_the_bench_prints_a_table_and_writes_its_rows(
    installed: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bench.json"
    (folder / "3.png").unlink()
    result = edge("bench", "--source", folder, "--seconds", "0.2", "--json", out)
    assert result.exit_code == 0, result.output
    assert "If frames are available at once" in result.output
    assert "edge_pipeline" in json.loads(out.read_text())


@pytest.mark.parametrize("command", ["run", "status", "detect", "enrol", "doctor", "bench"])
def test_every_command_explains_itself(command: str) -> None:
    result = edge(command, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 300
