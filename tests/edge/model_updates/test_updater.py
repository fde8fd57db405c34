import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.contract import Label, ModelOrder, ModelUpdateState
from edge.errors import ModelUnfitError, ModelUpdateError
from edge.faces import FaceDetector
from edge.inference import loading
from edge.inference.pending import Pending
from edge.loaded_models import LoadedModels
from edge.manifest import Role, find
from edge.masks import MaskClassifier
from edge.model_updates import package as packages_on_disk
from edge.model_updates.installed import InstalledModels
from edge.model_updates.replaceable import ReplaceableClassifier, ReplaceableDetector
from edge.model_updates.updater import ModelUpdater, UpdateRules
from edge.values import Box, Face
from tests.edge import standins
from tests.edge.model_updates.packages import Source, model_files, order, package

FACE = Face(Box(100, 60, 180, 140), 0.9)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A package with a good classifier."""
    folder = tmp_path_factory.mktemp("good")
    return package(folder / "own.zip", model_files(folder, standins.classifier()))


class Device:
    """The parts of a device that an update concerns; `restart` is a kill and a new start."""

    def __init__(self, folder: Path, models: LoadedModels, source: Source) -> None:
        self.folder = folder
        self.models = models
        self.source = source
        self.rules = UpdateRules(probation_s=0, pause_s=(0, 0))
        self.tried: list[Path] = []
        self.flaw: ModelUpdateError | None = None
        self.restart()

    def restart(self) -> None:
        self.installed = InstalledModels.begun(self.folder)
        kept = self.installed.model(Role.CLASSIFIER)
        now = self._load(Role.CLASSIFIER, None if kept is None else self.folder / kept.sha256)
        assert isinstance(now, MaskClassifier)
        self.classifier = ReplaceableClassifier(now)
        self.updater = ModelUpdater(
            self.installed,
            self.source,
            detector=ReplaceableDetector(self.models.detector),
            classifier=self.classifier,
            load=self._load,
            try_out=self._try,
            rules=self.rules,
        )

    def _load(self, role: Role, folder: Path | None) -> FaceDetector | MaskClassifier:
        if folder is None:
            return self.models.classifier
        return MaskClassifier(loading.load(find(role, folder)))

    def _try(self, folder: Path, _role: Role) -> None:
        self.tried.append(folder)
        if self.flaw is not None:
            raise self.flaw

    def judge(self) -> Label:
        (judged,) = self.classifier.judge(standins.picture(standins.GREEN), [FACE])
        return judged.label

    @property
    def state(self) -> str:
        return self.updater.report.state if self.updater.report else ""

    @property
    def problem(self) -> str:
        return self.updater.report.problem if self.updater.report else ""


@pytest.fixture
def device(tmp_path: Path, models: LoadedModels, content: bytes) -> Device:
    return Device(tmp_path / "models", models, Source(content))


def test_a_model_is_downloaded_tried_swapped_and_installed_after_its_probation(
    device: Device, content: bytes
) -> None:
    before = device.classifier.digest
    device.updater.request(order(content))
    device.updater.step()
    assert device.state == ModelUpdateState.ON_PROBATION
    assert device.classifier.digest != before
    device.updater.step()
    assert device.state == ModelUpdateState.ON_PROBATION, "a model without answers proves nothing"
    for _ in range(10):
        assert device.judge() is Label.WITH_MASK
    device.updater.step()
    assert device.state == ModelUpdateState.INSTALLED
    assert device.updater.problems == ()
    device.restart()
    assert device.classifier.digest != before


def test_a_download_goes_on_where_it_broke_off(device: Device, content: bytes) -> None:
    device.source.breaks_at = 1000
    device.updater.request(order(content))
    device.updater.step()
    assert device.state == ModelUpdateState.DOWNLOADING
    device.restart()
    device.updater.step()
    assert device.source.starts == [0, 1000]
    assert device.state == ModelUpdateState.ON_PROBATION


def test_a_download_with_a_refused_key_waits_for_the_next_key(
    device: Device, content: bytes
) -> None:
    device.source.refuses_key = True
    device.updater.request(order(content))
    device.updater.step()
    assert (device.state, device.problem) == (ModelUpdateState.DOWNLOADING, "")
    device.updater.step()
    assert device.state == ModelUpdateState.ON_PROBATION


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"path": "https://elsewhere.example/model"}, "order_foreign"),
        ({"path": "/v1/devices/me/models/../../../events"}, "order_foreign"),
        ({"size": 1 << 40}, "package_too_large"),
        ({"sha256": "0" * 64, "path": f"/v1/devices/me/models/{'0' * 64}"}, "package_altered"),
    ],
)
def test_an_order_that_cannot_be_right_is_named(
    device: Device, content: bytes, change: dict[str, object], problem: str
) -> None:
    device.updater.request(order(content, **change))
    device.updater.step()
    assert (device.state, device.problem) == ("failed", problem)
    assert device.updater.problems == ("model_update_failed",)
    assert device.tried == []
    assert device.judge() is Label.WITH_MASK


def test_a_package_of_garbage_and_one_that_leaves_its_folder_are_named(
    device: Device, tmp_path: Path
) -> None:
    for garbage in (b"PK\x03\x04" + bytes(500), package(tmp_path / "e.zip", {"../own.xml": b""})):
        device.source.content = garbage
        device.updater.request(order(garbage))
        device.updater.step()
        assert device.problem == "package_damaged"
    assert list(device.folder.glob("**/own.xml")) == []
    assert not (tmp_path / "own.xml").exists()


def test_a_model_that_fails_its_trial_never_judges(device: Device, content: bytes) -> None:
    before = device.classifier.digest
    device.flaw = ModelUpdateError("label_missing", "it does not know incorrect_mask")
    device.updater.request(order(content))
    device.updater.step()
    assert (device.state, device.problem) == ("failed", "label_missing")
    assert device.classifier.digest == before


def test_a_new_model_that_fails_on_a_frame_gives_way_and_the_frame_is_judged(
    device: Device, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = device.classifier.digest
    device.updater.request(order(content))
    device.updater.step()

    def fail(_image: object, _faces: object) -> Pending[object]:
        raise ModelUnfitError("the graph failed")

    monkeypatch.setattr(device.classifier.probation.model, "start", fail)
    assert device.judge() is Label.WITH_MASK
    assert device.classifier.digest == before
    assert (device.state, device.problem) == ("rolled_back", "model_fails")
    assert device.updater.problems == ("model_rolled_back",)
    device.restart()
    assert device.classifier.digest == before


def test_a_new_model_that_hangs_is_left_at_the_next_start(
    device: Device, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = device.classifier.digest
    device.updater.request(order(content))
    device.updater.step()
    monkeypatch.setattr(type(device.classifier.probation), "busy_s", 60.0)
    device.updater.step()
    assert device.problem == "model_hangs"
    device.restart()
    assert device.classifier.digest == before


def test_a_model_with_which_the_process_keeps_ending_is_left(
    device: Device, content: bytes
) -> None:
    before = device.classifier.digest
    device.updater.request(order(content))
    device.updater.step()
    device.restart()
    assert device.classifier.digest != before
    device.restart()
    assert device.classifier.digest == before
    assert device.problem == "model_keeps_ending"


def test_orderly_ends_do_not_count_against_a_new_model(device: Device, content: bytes) -> None:
    device.updater.request(order(content))
    device.updater.step()
    new = device.classifier.digest
    for _ in range(4):
        device.installed.end()
        device.restart()
    assert device.classifier.digest == new


def test_a_person_can_go_back_after_the_probation(device: Device, content: bytes) -> None:
    before = device.classifier.digest
    device.updater.request(order(content))
    device.updater.step()
    for _ in range(10):
        device.judge()
    device.updater.step()
    device.updater.roll_back(Role.CLASSIFIER)
    device.updater.step()
    assert device.classifier.digest == before
    assert (device.state, device.updater.problems) == ("rolled_back", ())


def test_a_kill_at_each_step_leaves_the_old_or_the_new_model_whole(
    device: Device, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        """The process ends here."""

    steps: list[str] = []
    replace_file = Path.replace

    def die_at(number: int) -> Callable[[Path, Path], Path]:
        def rename(path: Path, target: Path) -> Path:
            steps.append(Path(target).name)
            if len(steps) == number:
                raise KilledError
            return replace_file(path, target)

        return rename

    for number in range(1, 5):
        steps.clear()
        monkeypatch.setattr(Path, "replace", die_at(number))
        try:
            device.updater.request(order(content))
            device.updater.step()
        except KilledError:
            pass
        monkeypatch.undo()
        device.restart()
        assert device.judge() is Label.WITH_MASK
        device.updater.request(order(content))
        device.updater.step()
        assert device.state == ModelUpdateState.ON_PROBATION, f"killed at rename {number}"
        device.installed.roll_back(Role.CLASSIFIER, "", "")
        device.restart()


def test_a_full_and_a_read_only_disk_are_named_and_the_door_goes_on(
    device: Device, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages_on_disk, "_SPARE", 1 << 60)
    device.updater.request(order(content))
    device.updater.step()
    assert (device.state, device.problem) == ("failed", "disk_full")
    device.folder.joinpath("installed.json").unlink(missing_ok=True)
    for path in device.folder.iterdir():
        path.unlink()
    device.folder.rmdir()
    device.folder.write_text("a file where the folder should be")
    device.updater.request(order(content))
    assert (device.state, device.problem) == ("failed", "state_unwritable")
    assert device.judge() is Label.WITH_MASK


def test_a_device_with_a_model_of_its_own_takes_none(device: Device, content: bytes) -> None:
    reason = "EDGE_CLASSIFIER names the model of this device; remove the setting"
    device.rules = replace(device.rules, refusals=((Role.CLASSIFIER, reason),))
    device.restart()
    device.updater.request(order(content))
    device.updater.step()
    assert (device.problem, device.updater.problems) == (
        "update_not_allowed",
        ("model_update_failed",),
    )


def test_a_record_that_is_damaged_is_told_and_the_shipped_model_runs(device: Device) -> None:
    device.folder.mkdir(exist_ok=True)
    device.folder.joinpath("installed.json").write_text("{")
    device.restart()
    assert device.installed.is_damaged
    assert device.judge() is Label.WITH_MASK


def test_the_record_holds_no_more_than_it_needs(device: Device, content: bytes) -> None:
    wanted: ModelOrder = order(content)
    device.updater.request(wanted)
    device.updater.step()
    record = json.loads(device.folder.joinpath("installed.json").read_text())
    assert record["models"]["classifier"]["sha256"] == wanted.sha256
    assert sorted(path.name for path in device.folder.iterdir()) == sorted(
        [wanted.sha256, "installed.json"]
    )
