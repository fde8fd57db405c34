import io
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from tests.training.loop.test_train import TINY, Points, evaluate, losses
from training.errors import TrackingError
from training.loop.mlflow_log import MlflowLog
from training.loop.run import Options, Run, Task
from training.loop.train import train

QUIET = Console(quiet=True)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("mlflow")
    # A store of files needs no server and no database; MLflow wants to be asked twice for it.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return f"file:{tmp_path / 'store'}"


def test_a_run_is_recorded_with_parameters_curves_and_files(tmp_path: Path, store: str) -> None:
    from mlflow import MlflowClient

    torch.manual_seed(1)
    run = Run(tmp_path / "tiny-1", TINY, 0.0, 20)
    options = Options(QUIET, workers=0, mlflow=store)
    train(nn.Linear(2, 1), Points, Task(losses, evaluate, "closeness"), run, options)
    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("maskgate-tiny")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "tiny-1"
    assert found.data.params["rate"] == "0.05"
    assert found.data.params["began_from"] == "nothing"
    assert found.data.metrics["validation/closeness"] == run.history[-1]["closeness"]
    curve = client.get_metric_history(found.info.run_id, "validation/closeness")
    assert [point.step for point in curve] == [int(row["samples"]) for row in run.history]
    names = {artifact.path for artifact in client.list_artifacts(found.info.run_id)}
    assert {"best.pt", "summary.json", "curves.png"} <= names


def test_a_store_that_refuses_is_named_before_the_training(tmp_path: Path, store: str) -> None:
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(TrackingError, match="cannot record the run"):
        MlflowLog(store, tmp_path / "run", "tiny", {}, QUIET)


def test_a_store_that_goes_away_costs_no_training(tmp_path: Path, store: str) -> None:
    console = Console(record=True, quiet=False, file=io.StringIO(), width=200)
    log = MlflowLog(store, tmp_path / "run", "tiny", {}, console)
    (tmp_path / "store").rename(tmp_path / "gone")
    log.metrics({"loss": 1.0}, 8)
    log.close("FINISHED")
    assert console.export_text().count("stopped answering") == 1


def test_a_missing_library_is_named_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingError, match="pip install mlflow-skinny"):
        MlflowLog("file:x", tmp_path, "tiny", {}, QUIET)
