"""Enrolment: a one-time code is exchanged for this device's own key, kept in `device.json`."""

import platform
import threading

import structlog
import tenacity
from pydantic import SecretStr, ValidationError

from cloud.contract import EnrolmentRequest
from edge import __version__, identity
from edge.delivery.client import Client
from edge.errors import CloudUnreachableError, EdgeError
from edge.settings import Settings
from edge.state import make_folder

_log = structlog.get_logger(__name__)


def enrol(settings: Settings, code: str, name: str | None = None) -> identity.Identity:
    """Exchange the code for a key, and save the key. It replaces the identity of before, if any.

    Args:
        settings: Name the cloud's address, and the folder of the key.
        code: One-time code that the cloud made for a gate.
        name: Of this device for people; None for the host's name.

    Returns:
        The new identity.

    Raises:
        EdgeError: The code or the name is malformed, the folder cannot be written, or the cloud
            does not answer or refuses the code.
    """
    try:
        request = EnrolmentRequest(
            code=code.strip(), name=name or platform.node() or "edge", version=__version__
        )
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        raise EdgeError(f"--{flaw['loc'][0]}: {flaw['msg']}") from error
    path = settings.device_path
    # This comes before the code is used up: a folder that cannot be written would lose the key.
    make_folder(path)
    address = settings.cloud_address()
    with Client(address, timeout_s=settings.request_timeout_s) as client:
        enrolment = client.enrol(request)
    who = identity.Identity(
        device_id=enrolment.device_id,
        device_key=SecretStr(enrolment.device_key),
        gate=enrolment.gate,
        cloud_url=address,
    )
    identity.save(who, path)
    return who


def ensure(
    settings: Settings,
    stop: threading.Event | None = None,
    pause_s: tuple[float, float] = (1.0, 60.0),
) -> None:
    """Enrol this device if it has a code and is not enrolled yet; otherwise do nothing.

    While the cloud is away, it is tried again and again.

    Args:
        settings: Of this installation.
        stop: Ends the attempts; None for attempts without end.
        pause_s: First and longest pause between attempts, in seconds.

    Raises:
        EdgeError: The cloud refuses the code, or `stop` was set.
    """
    if settings.enrolment_code is None or settings.device_path.exists():
        return
    stop = stop or threading.Event()
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(CloudUnreachableError),
        wait=tenacity.wait_random_exponential(multiplier=pause_s[0] * 2, max=pause_s[1]),
        stop=tenacity.stop_when_event_set(stop),
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=_log_failure,
        reraise=True,
    )
    who = attempts(enrol, settings, settings.enrolment_code.get_secret_value())
    _log.info("enrolled", device=who.device_id, gate=who.gate)


def _log_failure(attempt: tenacity.RetryCallState) -> None:
    failure = attempt.outcome.exception() if attempt.outcome else None
    _log.warning("not_enrolled_yet", attempts=attempt.attempt_number, error=str(failure))
