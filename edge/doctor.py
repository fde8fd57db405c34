"""What is wrong with a set-up, and how to mend it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from edge import identity, outbox
from edge.addresses import masked, masked_in
from edge.client import Client, is_plain_http_elsewhere
from edge.errors import EdgeError
from edge.installation import load_models
from edge.raw_output import Message, RawOutput
from edge.settings import Settings
from edge.sources import Source

_LITTLE_ROOM_MIB = 100
_NO_ROOM_MIB = 5
_SKEW_S = 30.0
"""A pass lives for minutes; a clock that is half a minute off is worth a word."""


class Finding(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        finding: How it is.
        detail: What was seen.
        mend: What to do; empty when all is well.
    """

    name: str
    finding: Finding
    detail: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything that `run` needs, the nearest first. Changes nothing."""
    yield _models(settings)
    yield from _camera(settings)
    yield _state_folder(settings)
    yield _outbox(settings)
    who, check = _identity(settings)
    yield check
    yield from _cloud(settings, who)


def _models(settings: Settings) -> Check:
    try:
        models = load_models(settings)
    except EdgeError as error:
        return _failed("models", error)
    names = ", ".join(f"{role} {digest[:12]}" for role, digest in models.digests.items())
    return Check("models", Finding.OK, f"whole and compiled: {names}")


def _camera(settings: Settings) -> Iterator[Check]:
    said: list[Message] = []
    try:
        source = Source.parse(settings.source.get_secret_value())
        if source.advice:
            yield Check(
                "address",
                Finding.WARN,
                f"{source} holds reserved characters before its last @",
                source.advice,
            )
        # FFmpeg says why a camera cannot be opened on standard error alone.
        with RawOutput(said.append, python=False):
            capture = source.open()
            try:
                image = capture.read()
            finally:
                capture.close()
    except EdgeError as error:
        reasons = dict.fromkeys(message.text for message in said if message.writer == "ffmpeg")
        blanked = settings.secrets.blanked(masked_in("; ".join(reasons)))
        detail = f"{error.problem}: {blanked}" if blanked else error.problem
        yield Check("camera", Finding.FAIL, detail, error.mend)
        return
    if image is None:
        yield Check(
            "camera",
            Finding.FAIL,
            f"{source} opens, but gives no picture",
            "See that it is switched on, and that no other program uses it",
        )
        return
    height, width = image.shape[:2]
    yield Check("camera", Finding.OK, f"{source} gives pictures of {width}×{height}")


def _state_folder(settings: Settings) -> Check:
    folder = settings.state_dir
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check(
            "state folder",
            Finding.FAIL,
            f"{folder} cannot be written",
            f"Make {folder} writable for this user, or set EDGE_STATE_DIR",
        )
    free = shutil.disk_usage(there).free // 2**20
    detail = f"{folder} is writable, {free} MiB free"
    if free < _NO_ROOM_MIB:
        return Check("state folder", Finding.FAIL, detail, "Make room on this disk")
    if free < _LITTLE_ROOM_MIB:
        return Check("state folder", Finding.WARN, detail, "Make room on this disk soon")
    return Check("state folder", Finding.OK, detail)


def _outbox(settings: Settings) -> Check:
    path = settings.outbox_path
    if not path.exists():
        return Check("outbox", Finding.OK, f"{path} will be made by the first run")
    try:
        contents = outbox.inspect(path)
    except EdgeError as error:
        return _failed("outbox", error)
    detail = f"{contents.depth} waiting, {len(contents.rejected)} rejected"
    if contents.rejected:
        last = contents.rejected[-1]
        return Check(
            "outbox",
            Finding.WARN,
            f"{detail}; the last: {last.id} at {last.rejected_at:%Y-%m-%d %H:%M} UTC:"
            f" {last.reason}",
            f"They are kept in the table `rejected` of {path}; see that edge and cloud are of one"
            " version",
        )
    if contents.depth:
        return Check(
            "outbox", Finding.WARN, detail, "`python -m edge run` delivers once the cloud answers"
        )
    return Check("outbox", Finding.OK, detail)


def _identity(settings: Settings) -> tuple[identity.Identity | None, Check]:
    path = settings.device_path
    try:
        who = identity.load(path)
    except EdgeError as error:
        return None, _failed("enrolment", error)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return who, Check(
            "enrolment",
            Finding.WARN,
            f"{path} holds the key and others may read it (mode {mode:o})",
            f"chmod 600 {path}",
        )
    return who, Check("enrolment", Finding.OK, f"device {who.device_id} at gate {who.gate}")


def _cloud(settings: Settings, who: identity.Identity | None) -> Iterator[Check]:
    url = settings.cloud_address(who.cloud_url if who is not None else None)
    address = masked(url)
    try:
        with Client(url, timeout_s=settings.request_timeout_s) as client:
            health = client.health()
    except EdgeError as error:
        yield _failed("cloud", error)
        return
    if not health.ready:
        yield Check(
            "cloud",
            Finding.WARN,
            f"{address} answers, but is not ready: {health.detail}",
            "Events wait meanwhile; see that the cloud reaches its Redis",
        )
    elif is_plain_http_elsewhere(url):
        yield Check(
            "cloud",
            Finding.WARN,
            f"{address} is ready, but the key crosses the network unencrypted",
            "Use an https:// address",
        )
    else:
        yield Check("cloud", Finding.OK, f"{address} is ready")
    if health.clock is None:
        yield Check("clock", Finding.WARN, "the cloud's answer carries no Date", "Check its proxy")
        return
    skew = (datetime.now(UTC) - health.clock).total_seconds()
    if abs(skew) > _SKEW_S:
        yield Check(
            "clock",
            Finding.WARN,
            f"this clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the cloud's",
            "Let NTP set it (timedatectl set-ntp true)",
        )
    else:
        # The Date header counts whole seconds.
        yield Check("clock", Finding.OK, f"within {max(1, round(abs(skew)))} s of the cloud's")


def _failed(name: str, error: EdgeError) -> Check:
    return Check(name, Finding.FAIL, error.problem, error.mend)
