"""The updater: carries out the orders of the cloud about models, in a thread of its own."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from cloud.contract import DeviceProblem, ModelOrder, ModelUpdate, ModelUpdateState
from edge.errors import (
    CloudError,
    CloudUnreachableError,
    EdgeError,
    KeyRefusedError,
    ModelError,
    ModelUpdateError,
    PackageGoneError,
)
from edge.faces import FaceDetector
from edge.manifest import Role
from edge.masks import MaskClassifier
from edge.model_updates.installed import InstalledModels
from edge.model_updates.package import PACKAGE_AT_MOST, named, require_space, unpack
from edge.model_updates.replaceable import Probation, ReplaceableClassifier, ReplaceableDetector

_log = structlog.get_logger(__name__)

CHECK_S = 1.0
ANSWERS_AT_LEAST = 10
"""Answers that a model gives before its probation ends; a door without people proves nothing."""

ORDER_PATH = "/v1/devices/me/models/"
"""Beginning of the address of each package: no order leads anywhere else than to the own cloud."""


class PackageSource(Protocol):
    """The cloud, as the updater needs it."""

    def download(self, path: str, start: int, write: Callable[[bytes], object], most: int) -> None:
        """Get a file from a byte on, in pieces."""


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """What an update may do on this device.

    Attributes:
        probation_s: Seconds that a new model must run well.
        hang_after_s: Seconds after which a call of a new model counts as hung.
        pause_s: First and longest pause between attempts to download, in seconds.
        refusals: Roles that must not be updated, each with the reason.
    """

    probation_s: float = 300.0
    hang_after_s: float = 10.0
    pause_s: tuple[float, float] = (5.0, 300.0)
    refusals: tuple[tuple[Role, str], ...] = ()


class ModelUpdater:
    """Downloads, tries and swaps models, and goes back where a new one fails.

    Args:
        installed: The record of the packages in use.
        source: The cloud.
        detector: Of the pipeline.
        classifier: Of the pipeline.
        load: Loads the model of a role from a folder; for None, the one that a setting names or
            that comes with the edge.
        try_out: Tries the model in a folder; raises ModelUpdateError.
        rules: What an update may do here.
        on_change: Is called after another model has taken over.
    """

    def __init__(
        self,
        installed: InstalledModels,
        source: PackageSource,
        *,
        detector: ReplaceableDetector,
        classifier: ReplaceableClassifier,
        load: Callable[[Role, Path | None], FaceDetector | MaskClassifier],
        try_out: Callable[[Path, Role], None],
        rules: UpdateRules | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._installed = installed
        self._source = source
        self._detector = detector
        self._classifier = classifier
        self._load = load
        self._try_out = try_out
        self._rules = rules or UpdateRules()
        self._on_change = on_change
        self._since = time.monotonic()
        self._pause_s = self._rules.pause_s[0]
        self._next_try = 0.0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._rollbacks: list[Role] = []
        self._thread = threading.Thread(target=self._run, name="model-update", daemon=True)
        for role in (Role.DETECTOR, Role.CLASSIFIER):
            self._probation(role).on_failure = self._failure_of(role)

    @property
    def report(self) -> ModelUpdate | None:
        """How the last update goes, or went, for the heartbeat."""
        return self._installed.report

    @property
    def problems(self) -> tuple[DeviceProblem, ...]:
        """The problem of the last update, by name."""
        report = self._installed.report
        if report is None or not report.problem:
            return ()
        if report.state == ModelUpdateState.FAILED:
            return (DeviceProblem.MODEL_UPDATE_FAILED,)
        return (DeviceProblem.MODEL_ROLLED_BACK,)

    def start(self) -> None:
        """Start the thread; an order that an earlier run did not finish goes on."""
        for role in (Role.DETECTOR, Role.CLASSIFIER):
            self._guard(role)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread. Nobody waits for a download or a trial: the thread is a daemon."""
        self._stop.set()
        self._wake.set()

    def request(self, order: ModelOrder) -> None:
        """Note an order; the thread carries it out. The newest order wins."""
        kept = self._installed.model(Role(order.role))
        if kept is not None and kept.sha256 == order.sha256:
            _log.info("model_is_installed", role=order.role, sha256=order.sha256)
            return
        try:
            self._installed.want(order)
        except EdgeError as error:
            self._installed.fail(order, "state_unwritable", error.problem)
            return
        self._next_try, self._pause_s = 0.0, self._rules.pause_s[0]
        self._wake.set()

    def roll_back(self, role: Role) -> None:
        """Go back to the model before, because a person asked for it."""
        self._rollbacks.append(role)
        self._wake.set()

    def step(self) -> None:
        """Carry out what is due: a rollback, an order, a look at models on probation."""
        while self._rollbacks:
            role = self._rollbacks.pop(0)
            if self._installed.roll_back(role, "", "a person asked for it"):
                self._go_back(role)
            else:
                _log.warning("model_not_rolled_back", role=str(role), reason="no other model")
        order = self._installed.wanted
        if order is not None and time.monotonic() >= self._next_try:
            self._update(order)
        for role in (Role.DETECTOR, Role.CLASSIFIER):
            self._watch(role)

    def _update(self, order: ModelOrder) -> None:
        try:
            folder = self._fetch(order)
            self._installed.progress(order, ModelUpdateState.TRYING)
            self._try_out(folder, Role(order.role))
            self._swap(order)
        # A key that was rolled meanwhile is refused once or twice, until the renewal has the next.
        except (CloudUnreachableError, KeyRefusedError) as error:
            _log.warning("model_download_interrupted", error=str(error), retry_in_s=self._pause_s)
            self._next_try = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, self._rules.pause_s[1])
        except ModelUpdateError as error:
            self._installed.fail(order, error.name, error.problem)
        except PackageGoneError as error:
            self._installed.fail(order, "package_gone", error.problem)
        except CloudError as error:
            self._installed.fail(order, "download_refused", error.problem)
        except EdgeError as error:
            self._installed.fail(order, "state_unwritable", error.problem)

    def _fetch(self, order: ModelOrder) -> Path:
        """Download and unpack a package.

        Returns:
            The folder of its files.

        Raises:
            CloudUnreachableError: The download broke off; the next attempt goes on from there.
            ModelUpdateError: The order or the package cannot be used here.
        """
        for role, reason in self._rules.refusals:
            if role == order.role:
                raise ModelUpdateError("update_not_allowed", reason)
        if order.path != f"{ORDER_PATH}{order.sha256}":
            raise ModelUpdateError("order_foreign", "the package is not one of this cloud's")
        if order.size > PACKAGE_AT_MOST:
            raise ModelUpdateError("package_too_large", f"{order.size} bytes")
        folder = self._installed.package_folder(order.sha256)
        part = self._installed.folder / f"{order.sha256}.part"
        require_space(self._installed.folder, order.size)
        try:
            for other in self._installed.folder.glob("*.part"):
                if other != part:
                    other.unlink()
            self._download(order, part)
            if hashlib.sha256(part.read_bytes()).hexdigest() != order.sha256:
                part.unlink()
                raise ModelUpdateError("package_altered", "its SHA-256 is not that of the order")
            unpack(part, folder)
            part.unlink()
        except OSError as error:
            raise ModelUpdateError(*named(error)) from error
        return folder

    def _download(self, order: ModelOrder, part: Path) -> None:
        start = part.stat().st_size if part.exists() else 0
        if start > order.size:
            part.unlink()
            start = 0
        with part.open("ab") as file:
            if start < order.size:
                self._source.download(order.path, start, file.write, order.size - start)

    def _swap(self, order: ModelOrder) -> None:
        """Load the model, note it as installed, and let it judge from the next frame on."""
        role = Role(order.role)
        self._installed.install(order)
        try:
            self._take(role, on_probation=True)
        except ModelError as error:
            self._installed.roll_back(role, "model_unfit", error.problem)
            return
        self._since = time.monotonic()
        self._on_change()

    def _guard(self, role: Role) -> None:
        """Keep the model before at hand, if the last run ended during a probation."""
        kept = self._installed.model(role)
        if kept is None or not kept.on_probation:
            return
        try:
            before = self._load(role, self._folder(kept.previous))
        except ModelError as error:
            _log.error("model_before_unusable", role=str(role), error=str(error))
            return
        if isinstance(before, FaceDetector):
            self._detector.probation.guard(before)
        else:
            self._classifier.probation.guard(before)

    def _folder(self, sha256: str | None) -> Path | None:
        return self._installed.package_folder(sha256) if sha256 is not None else None

    def _take(self, role: Role, *, on_probation: bool) -> None:
        kept = self._installed.model(role)
        model = self._load(role, self._folder(kept.sha256 if kept is not None else None))
        if isinstance(model, FaceDetector):
            self._detector.replace(model, on_probation=on_probation)
        else:
            self._classifier.replace(model, on_probation=on_probation)

    def _go_back(self, role: Role) -> None:
        try:
            self._take(role, on_probation=False)
        except ModelError as error:
            _log.error("model_before_unusable", role=str(role), error=str(error))
            return
        self._on_change()

    def _failure_of(self, role: Role) -> Callable[[Exception], None]:
        def note(error: Exception) -> None:
            # The model before judges already. This is called by the pipeline's thread.
            self._installed.roll_back(role, "model_fails", str(error))
            self._on_change()

        return note

    def _watch(self, role: Role) -> None:
        kept, probation = self._installed.model(role), self._probation(role)
        if kept is None or not kept.on_probation:
            return
        if probation.busy_s > self._rules.hang_after_s:
            # A call in native code cannot be ended. The watchdog ends the process, and the next
            # start takes the model before.
            self._installed.roll_back(
                role, "model_hangs", f"no answer for {probation.busy_s:.0f} s"
            )
        elif (
            time.monotonic() - self._since >= self._rules.probation_s
            and probation.answers >= ANSWERS_AT_LEAST
        ):
            probation.confirm()
            self._installed.confirm(role)

    def _probation(self, role: Role) -> Probation[FaceDetector] | Probation[MaskClassifier]:
        return self._detector.probation if role is Role.DETECTOR else self._classifier.probation

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except Exception as error:  # noqa: BLE001 - logged, and the thread must go on
                _log.critical("uncaught_error", thread="model-update", exc_info=error)
            self._wake.wait(CHECK_S)
            self._wake.clear()
