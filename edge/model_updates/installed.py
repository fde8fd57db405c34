"""The installed models: which packages take the place of the models that come with the edge."""

import shutil
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

import structlog
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from cloud.contract import ModelOrder, ModelUpdate, ModelUpdateState
from edge.errors import EdgeError
from edge.manifest import Role
from edge.state import write_private

_log = structlog.get_logger(__name__)

STARTS_AT_MOST = 2
"""Starts that a model on probation gets. A process that a model ends again and again would
otherwise never reach the end of the probation."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class InstalledModel(BaseModel):
    """A package that is in use.

    Attributes:
        sha256: Of the package.
        version: For people.
        previous: The package before; None for the model that comes with the edge.
        on_probation: Whether the model has still to prove itself.
        starts: Of the process with this model on probation, since the last orderly end.
    """

    sha256: Digest
    version: str = ""
    previous: Digest | None = None
    on_probation: bool = False
    starts: int = 0


class _State(BaseModel):
    models: dict[Role, InstalledModel] = Field(default_factory=dict)
    wanted: ModelOrder | None = None
    report: ModelUpdate | None = None


class InstalledModels:
    """The record of the installed models, `installed.json`. May be used from several threads.

    Args:
        folder: Of the packages; it need not exist.

    Attributes:
        is_damaged: Whether the record was there, and could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_damaged = False
        self._path = folder / "installed.json"
        self._lock = threading.RLock()
        self._state = self._read()

    @classmethod
    def begun(cls, folder: Path) -> Self:
        """Return the record of a folder at the start of a run; see `begin`."""
        installed = cls(folder)
        installed.begin()
        return installed

    def _read(self) -> _State:
        try:
            return _State.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _State()
        except (OSError, ValidationError) as error:
            self.is_damaged = True
            _log.error("installed_models_unreadable", file=str(self._path), error=str(error))
            return _State()

    def model(self, role: Role) -> InstalledModel | None:
        """Return the package in use for a role; None for the model that comes with the edge."""
        with self._lock:
            return self._state.models.get(role)

    def package_folder(self, sha256: str) -> Path:
        """Return the folder of a package, whether or not it is there."""
        return self.folder / sha256

    @property
    def wanted(self) -> ModelOrder | None:
        """The update that was ordered and is not finished."""
        return self._state.wanted

    @property
    def report(self) -> ModelUpdate | None:
        """How the last update goes, or went."""
        return self._state.report

    def want(self, order: ModelOrder) -> None:
        """Note an order, so that it outlives the process.

        Raises:
            EdgeError: The folder cannot be written. The order is noted in memory all the same.
        """
        with self._lock:
            self._state = self._state.model_copy(update={"wanted": order})
            self._say(order.role, order.sha256, order.version, ModelUpdateState.DOWNLOADING)
            self._write()

    def progress(self, order: ModelOrder, state: ModelUpdateState) -> None:
        """Report a step of an update that is under way; nothing is written to the disk."""
        with self._lock:
            self._say(order.role, order.sha256, order.version, state)

    def fail(self, order: ModelOrder, problem: str, detail: str) -> None:
        """Report that an update failed, and forget its order.

        Args:
            order: That failed.
            problem: Its name.
            detail: The reason, for people.
        """
        with self._lock:
            self._state = self._state.model_copy(update={"wanted": None})
            failed = ModelUpdateState.FAILED
            self._say(order.role, order.sha256, order.version, failed, problem, detail)
            self._write_if_possible()
        _log.error("model_update_failed", role=order.role, problem=problem, error=detail)

    def install(self, order: ModelOrder) -> None:
        """Put a package that was tried into use, on probation.

        Raises:
            EdgeError: The folder cannot be written; nothing has changed.
        """
        role = Role(order.role)
        with self._lock:
            before, kept = self._state, self._state.models.get(role)
            if kept is not None and kept.sha256 == order.sha256:
                previous = kept.previous
            else:
                previous = kept.sha256 if kept is not None else None
            new = InstalledModel(
                sha256=order.sha256,
                version=order.version,
                previous=previous,
                on_probation=True,
                starts=1,
            )
            models = {**before.models, role: new}
            self._state = before.model_copy(update={"models": models, "wanted": None})
            probation = ModelUpdateState.ON_PROBATION
            self._say(order.role, order.sha256, order.version, probation)
            try:
                self._write()
            except EdgeError:
                self._state = before
                raise
        _log.info("model_on_probation", role=order.role, version=order.version, sha256=order.sha256)

    def confirm(self, role: Role) -> None:
        """End the probation of a model that has proved itself, and remove what is not needed."""
        with self._lock:
            kept = self._state.models.get(role)
            if kept is None or not kept.on_probation:
                return
            self._put(role, kept.model_copy(update={"on_probation": False, "starts": 0}))
            self._say(str(role), kept.sha256, kept.version, ModelUpdateState.INSTALLED)
            self._write_if_possible()
            self.remove_unused()
        _log.info("model_installed", role=str(role), version=kept.version, sha256=kept.sha256)

    def roll_back(self, role: Role, problem: str, detail: str) -> bool:
        """Put the model before into use again.

        Args:
            role: Of the model.
            problem: Why, by name; empty where a person asked for it.
            detail: Why, for people.

        Returns:
            False if the model that comes with the edge is in use already.
        """
        with self._lock:
            kept = self._state.models.get(role)
            if kept is None:
                return False
            before = InstalledModel(sha256=kept.previous) if kept.previous else None
            self._put(role, before)
            rolled_back = ModelUpdateState.ROLLED_BACK
            self._say(str(role), kept.sha256, kept.version, rolled_back, problem, detail)
            self._write_if_possible()
        _log.warning("model_rolled_back", role=str(role), problem=problem, error=detail)
        return True

    def begin(self) -> None:
        """Count this start, and roll back models on probation with which the process keeps ending.

        The count is on the disk before a model is loaded.
        """
        with self._lock:
            for role, kept in list(self._state.models.items()):
                if not kept.on_probation:
                    continue
                if kept.starts >= STARTS_AT_MOST:
                    detail = f"the process ended {kept.starts} times while the model was new"
                    self.roll_back(role, "model_keeps_ending", detail)
                else:
                    self._put(role, kept.model_copy(update={"starts": kept.starts + 1}))
                    self._write_if_possible()
            self.remove_unused()

    def end(self) -> None:
        """Note that the process ends in an orderly way."""
        with self._lock:
            for role, kept in list(self._state.models.items()):
                if kept.on_probation:
                    self._put(role, kept.model_copy(update={"starts": 0}))
                    self._write_if_possible()

    def remove_unused(self) -> None:
        """Remove the folders of packages that are neither in use nor kept for going back."""
        needed = {
            sha256
            for kept in self._state.models.values()
            for sha256 in (kept.sha256, kept.previous)
            if sha256 is not None
        }
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.is_dir() and path.name not in needed:
                    shutil.rmtree(path, ignore_errors=True)

    def _put(self, role: Role, model: InstalledModel | None) -> None:
        models = {each: kept for each, kept in self._state.models.items() if each is not role}
        if model is not None:
            models[role] = model
        self._state = self._state.model_copy(update={"models": models})

    def _say(
        self,
        role: str,
        sha256: str,
        version: str,
        state: ModelUpdateState,
        *why: str,
    ) -> None:
        """Set the report; `why` is the name of the problem and its reason for people."""
        problem, detail = why or ("", "")
        report = ModelUpdate.model_validate(
            {
                "role": role,
                "sha256": sha256,
                "version": version,
                "state": str(state),
                "problem": problem,
                "detail": detail[:500],
                "at": datetime.now(UTC),
            }
        )
        self._state = self._state.model_copy(update={"report": report})

    def _write(self) -> None:
        write_private(self._state.model_dump_json(indent=1) + "\n", self._path)

    def _write_if_possible(self) -> None:
        try:
            self._write()
        except EdgeError as error:
            _log.error("installed_models_not_written", error=str(error))
