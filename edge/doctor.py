"""What is wrong with a set-up, and how to mend it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from edge import identity, loaded_models, outbox
from edge.addresses import redacted, redacted_in
from edge.client import Client, is_plain_http_elsewhere
from edge.errors import EdgeError
from edge.output_capture import Message, OutputCapture
from edge.settings import Settings
from edge.sources import Source

_LITTLE_ROOM_MIB = 100
_NO_ROOM_MIB = 5
_SKEW_S = 30.0
"""A pass lives for minutes; a clock that is half a minute off is worth a word."""


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at.

    Attributes:
        name: What.
        status: How it is.
        detail: What was seen.
        mend: What to do; empty when all is well.
    """

    name: str
    status: CheckStatus
    detail: str
    mend: str = ""


def run_checks(settings: Settings) -> Iterator[CheckResult]:
    """Look at everything that `run` needs, the nearest first. Changes nothing."""
    yield _models(settings)
    yield from _camera(settings)
    yield _state_folder(settings)
    yield _outbox(settings)
    who, check = _identity(settings)
    yield check
    yield from _cloud(settings, who)


def _models(settings: Settings) -> CheckResult:
    try:
        models = loaded_models.load(settings)
    except EdgeError as error:
        return _failed("models", error)
    names = ", ".join(f"{role} {digest[:12]}" for role, digest in models.digests.items())
    return CheckResult("models", CheckStatus.OK, f"whole and compiled: {names}")


def _camera(settings: Settings) -> Iterator[CheckResult]:
    said: list[Message] = []
    try:
        source = Source.parse(settings.source.get_secret_value())
        if source.advice:
            yield CheckResult(
                "address",
                CheckStatus.WARN,
                f"{source} holds reserved characters before its last @",
                source.advice,
            )
        # FFmpeg says why a camera cannot be opened on standard error alone.
        with OutputCapture(said.append, python=False):
            capture = source.open()
            try:
                image = capture.read()
            finally:
                capture.close()
    except EdgeError as error:
        reasons = dict.fromkeys(message.text for message in said if message.writer == "ffmpeg")
        redacted = settings.secrets.redacted(redacted_in("; ".join(reasons)))
        detail = f"{error.problem}: {redacted}" if redacted else error.problem
        yield CheckResult("camera", CheckStatus.FAIL, detail, error.mend)
        return
    if image is None:
        yield CheckResult(
            "camera",
            CheckStatus.FAIL,
            f"{source} opens, but gives no picture",
            "See that it is switched on, and that no other program uses it",
        )
        return
    height, width = image.shape[:2]
    yield CheckResult("camera", CheckStatus.OK, f"{source} gives pictures of {width}×{height}")


def _state_folder(settings: Settings) -> CheckResult:
    folder = settings.state_dir
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return CheckResult(
            "state folder",
            CheckStatus.FAIL,
            f"{folder} cannot be written",
            f"Make {folder} writable for this user, or set EDGE_STATE_DIR",
        )
    free = shutil.disk_usage(there).free // 2**20
    detail = f"{folder} is writable, {free} MiB free"
    if free < _NO_ROOM_MIB:
        return CheckResult("state folder", CheckStatus.FAIL, detail, "Make room on this disk")
    if free < _LITTLE_ROOM_MIB:
        return CheckResult("state folder", CheckStatus.WARN, detail, "Make room on this disk soon")
    return CheckResult("state folder", CheckStatus.OK, detail)


def _outbox(settings: Settings) -> CheckResult:
    path = settings.outbox_path
    if not path.exists():
        return CheckResult("outbox", CheckStatus.OK, f"{path} will be made by the first run")
    try:
        contents = outbox.inspect(path)
    except EdgeError as error:
        return _failed("outbox", error)
    detail = f"{contents.depth} waiting, {len(contents.rejected)} rejected"
    if contents.rejected:
        last = contents.rejected[-1]
        return CheckResult(
            "outbox",
            CheckStatus.WARN,
            f"{detail}; the last: {last.id} at {last.rejected_at:%Y-%m-%d %H:%M} UTC:"
            f" {last.reason}",
            f"They are kept in the table `rejected` of {path}; see that edge and cloud are of one"
            " version",
        )
    if contents.depth:
        return CheckResult(
            "outbox",
            CheckStatus.WARN,
            detail,
            "`python -m edge run` delivers once the cloud answers",
        )
    return CheckResult("outbox", CheckStatus.OK, detail)


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
            f"{path} holds the key and others may read it (mode {mode:o})",
            f"chmod 600 {path}",
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
            "Events wait meanwhile; see that the cloud reaches its Redis",
        )
    elif is_plain_http_elsewhere(url):
        yield CheckResult(
            "cloud",
            CheckStatus.WARN,
            f"{address} is ready, but the key crosses the network unencrypted",
            "Use an https:// address",
        )
    else:
        yield CheckResult("cloud", CheckStatus.OK, f"{address} is ready")
    if health.clock is None:
        yield CheckResult(
            "clock", CheckStatus.WARN, "the cloud's answer carries no Date", "Check its proxy"
        )
        return
    skew = (datetime.now(UTC) - health.clock).total_seconds()
    if abs(skew) > _SKEW_S:
        yield CheckResult(
            "clock",
            CheckStatus.WARN,
            f"this clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the cloud's",
            "Let NTP set it (timedatectl set-ntp true)",
        )
    else:
        # The Date header counts whole seconds.
        yield CheckResult(
            "clock", CheckStatus.OK, f"within {max(1, round(abs(skew)))} s of the cloud's"
        )


def _failed(name: str, error: EdgeError) -> CheckResult:
    return CheckResult(name, CheckStatus.FAIL, error.problem, error.mend)
