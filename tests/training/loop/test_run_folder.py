from pathlib import Path

import pytest

from training.errors import ExistingRunError, StorageError
from training.loop.run_folder import new_run_folder, require_no_run


def test_runs_are_numbered_and_the_usual_path_is_the_newest(tmp_path: Path) -> None:
    usual = tmp_path / "training" / "classifier"
    first = new_run_folder(usual)
    (first / "best.pt").write_text("one")
    second = new_run_folder(usual)
    assert [first.name, second.name] == ["classifier-1", "classifier-2"]
    assert (first / "best.pt").read_text() == "one"
    assert usual.resolve() == second
    assert not (usual / "best.pt").exists()


def test_a_run_of_an_earlier_version_gets_a_number(tmp_path: Path) -> None:
    usual = tmp_path / "classifier"
    usual.mkdir()
    (usual / "best.pt").write_text("old")
    new = new_run_folder(usual)
    assert (tmp_path / "classifier-1" / "best.pt").read_text() == "old"
    assert usual.resolve() == new == tmp_path / "classifier-2"


def test_numbers_go_on_after_a_folder_was_deleted(tmp_path: Path) -> None:
    usual = tmp_path / "classifier"
    new_run_folder(usual).rmdir()
    (tmp_path / "classifier-7").mkdir()
    assert new_run_folder(usual).name == "classifier-8"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/classifier cannot be written"):
        new_run_folder(tmp_path / "file" / "classifier")


def test_a_named_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    require_no_run(tmp_path)
    require_no_run(tmp_path / "nowhere")
    (tmp_path / "last.pt").write_text("")
    with pytest.raises(ExistingRunError, match=r"holds a run.*--resume"):
        require_no_run(tmp_path)
