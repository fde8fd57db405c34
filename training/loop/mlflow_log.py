"""The record of a run in MLflow: its parameters, its curves and its files.

The library is optional (the extra `training-mlflow`): it brings a dozen others that nothing else
here needs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from training.errors import TrackingError

ARTIFACTS = ("best.pt", "summary.json", "history.json", "curves.png", "samples.png")
"""Files of a run that are copied to MLflow at its end."""


def _client_class() -> Any:
    try:
        # Optional, and its import takes a second.
        from mlflow import MlflowClient  # noqa: PLC0415
    except ImportError as error:
        raise TrackingError(
            "--mlflow needs the library mlflow-skinny, which is not installed; run `pip install "
            "mlflow-skinny`, or leave the option out"
        ) from error
    return MlflowClient


class MlflowLog:
    """One run in MLflow.

    A tracking server that stops answering while the model trains costs no training: the log ends
    with a warning, and the files in the run's folder are complete.

    Args:
        uri: Of the tracking server, or of a database or folder.
        folder: The run's folder; its name is the run's name, and `maskgate-KIND` the experiment's.
        kind: The kind of model.
        parameters: What the model is and how it is trained.
        console: Shows the warning.

    Raises:
        TrackingError: The library is missing, or the run cannot be created.
    """

    def __init__(
        self,
        uri: str,
        folder: Path,
        kind: str,
        parameters: Mapping[str, object],
        console: Console,
    ) -> None:
        self._uri, self._folder, self._console = uri, folder, console
        opened = _client_class()
        name = f"maskgate-{kind}"
        try:
            client = opened(tracking_uri=uri)
            experiment = client.get_experiment_by_name(name)
            number = experiment.experiment_id if experiment else client.create_experiment(name)
            self._run: str = client.create_run(number, run_name=folder.name).info.run_id
            for key, value in parameters.items():
                client.log_param(self._run, key, value)
        except Exception as error:  # MLflow passes on the errors of each of its stores.
            raise TrackingError(
                f"MLflow at {uri} cannot record the run ({error}); mend --mlflow, or leave it out"
            ) from error
        self._client: Any = client

    def metrics(self, values: Mapping[str, float], samples: int) -> None:
        """Log figures at a number of training samples."""
        self._try(
            lambda: [
                self._client.log_metric(self._run, key, value, step=samples)
                for key, value in values.items()
            ]
        )

    def close(self, status: str) -> None:
        """Copy the run's files and end the run in MLflow.

        Args:
            status: `FINISHED` or `KILLED`, as MLflow names it.
        """
        for name in ARTIFACTS:
            path = self._folder / name
            if path.is_file():
                self._try(lambda path=path: self._client.log_artifact(self._run, str(path)))
        self._try(lambda: self._client.set_terminated(self._run, status))

    def _try(self, call: Any) -> None:
        if self._client is None:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001 - see above; training goes on
            self._client = None
            self._console.print(
                f"[yellow]MLflow at {self._uri} stopped answering ({error}); the run goes on, and "
                f"its files are in {self._folder}",
                soft_wrap=True,
            )
