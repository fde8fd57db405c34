"""The command `doctor`: checks an installation, and says how to mend each problem."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from edge import identity, loaded_models
from edge.capture.sources import Source
from edge.delivery import database, salvage
from edge.delivery.client import Client, is_plain_http_elsewhere
from edge.delivery.disk import vanished
from edge.errors import EdgeError
from edge.output_capture import Message, OutputCapture
from edge.redaction.addresses import redacted, redacted_in
from edge.refusals import LOGIN_MEND, is_login_refused
from edge.settings import InferencePrecision, Settings

_WARN_BELOW_MIB = 100
_FAIL_BELOW_MIB = 5
_MAX_SKEW_S = 30.0
"""Largest difference between the clocks in seconds; a pass is valid for minutes alone."""


class CheckStatus(StrEnum):
    """The status of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: Of the thing that was checked.
        status: OK, WARN or FAIL.
        detail: What the check found.
        mend: How to mend the problem; empty if the status is OK.
    """

    name: str
    status: CheckStatus
    detail: str
    mend: str = ""


def run_checks(settings: Settings) -> Iterator[CheckResult]:
    """Check everything that `run` needs, without changing anything.

    Args:
        settings: Of this installation.

    Yields:
        The result of each check: first of this device, then of the cloud.
    """
    yield _models(settings)
    for text in (settings.source.get_secret_value(), *settings.further_cameras.values()):
        yield from _camera(settings, text)
    yield _state_folder(settings)
    yield _outbox(settings)
    who, check = _identity(settings)
    yield check
    yield from _cloud(settings, who)


def _models(settings: Settings) -> CheckResult:
    try:
        # Nothing is changed, so the compiled models are kept nowhere.
        models = loaded_models.load(settings.model_copy(update={"model_cache_dir": None}))
        models.make_ready()
    except EdgeError as error:
        return _failed("models", error)
    names = ", ".join(
        f"{role} {digest[:12]} ({models.precisions[role] or 'precision unknown'})"
        f" {models.origins.get(role, '')}".rstrip()
        for role, digest in models.digests.items()
    )
    if models.fallbacks:
        reasons = "; ".join(f"{role}: {text}" for role, text in models.fallbacks.items())
        return CheckResult(
            "models",
            CheckStatus.WARN,
            f"a model from the cloud cannot be used, so the one that comes with the edge runs:"
            f" {reasons}",
            "Ask the device to take the model again (`python -m cloud models update`)",
        )
    if untested := ", ".join(models.classifier.untested_labels):
        return CheckResult(
            "models",
            CheckStatus.WARN,
            f"unaltered, and compiled: {names}; the classifier was never tested on faces that are"
            f" {untested}: whether it lets them in is not known",
            "Train the classifier with pictures of every label (docs/retrain/README.md), or use"
            " the model that comes with the edge",
        )
    if set(models.precisions.values()) != {InferencePrecision.F32}:
        return CheckResult(
            "models",
            CheckStatus.WARN,
            f"unaltered, and compiled: {names}; in other precisions than f32 verdicts differ from"
            " those of other processors, and from the measured figures",
            "Remove EDGE_INFERENCE_PRECISION, unless you measured the verdicts yourself",
        )
    return CheckResult("models", CheckStatus.OK, f"unaltered, and compiled: {names}")


def _camera(settings: Settings, text: str) -> Iterator[CheckResult]:
    messages: list[Message] = []
    try:
        source = Source.parse(text)
        if source.advice:
            yield CheckResult(
                "address",
                CheckStatus.WARN,
                f"{source} holds reserved characters before its last @",
                source.advice,
            )
        # FFmpeg writes the reason why a camera cannot be opened to standard error alone.
        with OutputCapture(messages.append, python=False):
            capture = source.open()
            try:
                image = capture.read()
            finally:
                capture.close()
    except EdgeError as error:
        reasons = dict.fromkeys(message.text for message in messages if message.writer == "ffmpeg")
        cause = settings.secrets.redacted(redacted_in("; ".join(reasons)))
        detail = f"{error.problem}: {cause}" if cause else error.problem
        if is_login_refused(cause):
            detail = f"camera {source} refuses the user name or the password ({cause})"
            yield CheckResult("camera", CheckStatus.FAIL, detail, LOGIN_MEND)
            return
        yield CheckResult("camera", CheckStatus.FAIL, detail, error.mend)
        return
    if image is None:
        yield CheckResult(
            "camera",
            CheckStatus.FAIL,
            f"{source} can be opened, but sends no picture",
            "Check that the camera is switched on, and that no other program uses it",
        )
        return
    height, width = image.shape[:2]
    yield CheckResult("camera", CheckStatus.OK, f"{source} sends pictures of {width}×{height}")


def _state_folder(settings: Settings) -> CheckResult:
    folder = settings.state_dir
    # `run` creates missing folders, so the nearest folder that exists must be writable.
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return CheckResult(
            "state folder",
            CheckStatus.FAIL,
            f"{folder} cannot be written",
            f"Make {folder} writable for this user, or set EDGE_STATE_DIR",
        )
    free = shutil.disk_usage(existing).free // 2**20
    detail = f"{free} MiB are free on the disk of {folder}"
    if free < _FAIL_BELOW_MIB:
        return CheckResult("state folder", CheckStatus.FAIL, detail, "Free space on this disk")
    if free < _WARN_BELOW_MIB:
        return CheckResult("state folder", CheckStatus.WARN, detail, "Free space on this disk soon")
    return CheckResult("state folder", CheckStatus.OK, detail)


def _outbox(settings: Settings) -> CheckResult:
    path = settings.outbox_path
    if not path.exists():
        return _no_outbox(path)
    try:
        contents = database.inspect(path)
    except EdgeError as error:
        return _failed("outbox", error)
    if damaged := salvage.damaged_files(path):
        return CheckResult(
            "outbox",
            CheckStatus.WARN,
            f"{contents.depth} waiting; a damaged file was set aside: {damaged[-1]}",
            "Check the disk or SD card; keep the file for a closer look, or delete it",
        )
    detail = f"{contents.depth} waiting, {len(contents.rejected)} rejected"
    if contents.rejected:
        last = contents.rejected[-1]
        return CheckResult(
            "outbox",
            CheckStatus.WARN,
            f"{detail}; the last: {last.id} at {last.rejected_at:%Y-%m-%d %H:%M} UTC:"
            f" {last.reason}",
            f"The table `rejected` of {path} keeps them; check that edge and cloud are of the same"
            " version",
        )
    if contents.depth:
        return CheckResult(
            "outbox",
            CheckStatus.WARN,
            detail,
            "`python -m edge run` delivers the events as soon as the cloud answers",
        )
    return CheckResult("outbox", CheckStatus.OK, detail)


def _no_outbox(path: Path) -> CheckResult:
    if vanished(path):
        return CheckResult(
            "outbox",
            CheckStatus.FAIL,
            f"outbox {path} is gone; there was one before",
            "Find out who deleted it; `python -m edge run` makes a new one",
        )
    return CheckResult("outbox", CheckStatus.OK, f"the first run will create {path}")


def _identity(settings: Settings) -> tuple[identity.Identity | None, CheckResult]:
    path = settings.device_path
    try:
        who = identity.load(path)
    except EdgeError as error:
        return None, _failed("enrolment", error)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return who, CheckResult(
            "enrolment",
            CheckStatus.WARN,
            f"{path} holds the key, and other users may read it (mode {mode:o})",
            f"Run `chmod 600 {path}`",
        )
    return who, CheckResult(
        "enrolment", CheckStatus.OK, f"device {who.device_id} at gate {who.gate}"
    )


def _cloud(settings: Settings, who: identity.Identity | None) -> Iterator[CheckResult]:
    url = settings.cloud_address(who.cloud_url if who is not None else None)
    address = redacted(url)
    try:
        with Client(url, timeout_s=settings.request_timeout_s) as client:
            health = client.health()
    except EdgeError as error:
        yield _failed("cloud", error)
        return
    if not health.ready:
        yield CheckResult(
            "cloud",
            CheckStatus.WARN,
            f"{address} answers, but is not ready: {health.detail}",
            "Check that the cloud reaches its Redis; events wait meanwhile",
        )
    elif is_plain_http_elsewhere(url):
        yield CheckResult(
            "cloud",
            CheckStatus.WARN,
            f"{address} is ready, but this device's key crosses the network unencrypted",
            "Use an https:// address",
        )
    else:
        yield CheckResult("cloud", CheckStatus.OK, f"{address} is ready")
    if health.ready and who is not None:
        yield _key(settings, url, who)
    if health.clock is None:
        yield CheckResult(
            "clock",
            CheckStatus.WARN,
            "the cloud's answer has no header `Date`",
            "Check the proxy in front of the cloud",
        )
        return
    skew = (datetime.now(UTC) - health.clock).total_seconds()
    if abs(skew) > _MAX_SKEW_S:
        yield CheckResult(
            "clock",
            CheckStatus.WARN,
            f"this device's clock is {abs(skew):.0f} s"
            f" {'ahead of' if skew > 0 else 'behind'} the cloud's clock",
            "Let NTP set the clock (`timedatectl set-ntp true`)",
        )
    else:
        # The Date header counts whole seconds.
        yield CheckResult(
            "clock", CheckStatus.OK, f"within {max(1, round(abs(skew)))} s of the cloud's clock"
        )


def _key(settings: Settings, url: str, who: identity.Identity) -> CheckResult:
    """Ask the cloud for the gate's settings, which needs the device's key and changes nothing."""
    try:
        with Client(url, key=who.device_key, timeout_s=settings.request_timeout_s) as client:
            client.settings()
    except EdgeError as error:
        return _failed("key", error)
    return CheckResult("key", CheckStatus.OK, "the cloud accepts this device's key")


def _failed(name: str, error: EdgeError) -> CheckResult:
    return CheckResult(name, CheckStatus.FAIL, error.problem, error.mend)
