"""Reconciliation: admissions of an outage are reported to the cloud when it is back."""

import threading

import structlog
import tenacity

from cloud.contract import Outcome, RedemptionRequest
from edge.delivery.client import Client
from edge.door.ledger import Ledger
from edge.errors import CloudUnreachableError, KeyRefusedError, LedgerError

_log = structlog.get_logger(__name__)


class Reconciliation:
    """Reports the pending admissions of a ledger in order, in a thread of its own.

    A report has the nonce of its attempt, so that a repeated report changes nothing.

    Args:
        ledger: Of this door.
        client: With the key of a scanner.
        gate: Of this door.
        every_s: Seconds between two looks at the ledger.
        pause_s: First and longest pause while the cloud is away, in seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Client,
        gate: str | None,
        *,
        every_s: float = 1.0,
        pause_s: tuple[float, float] = (1.0, 30.0),
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._gate = gate
        self._every_s = every_s
        self._pauses = tenacity.wait_random_exponential(multiplier=pause_s[0] * 2, max=pause_s[1])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciliation", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the report that is under way."""
        self._stop.set()
        self._thread.join()

    def report_next(self) -> bool:
        """Report the oldest pending admission.

        Returns:
            False if none is pending.

        Raises:
            CloudUnreachableError: The cloud is still away.
            KeyRefusedError: The cloud does not accept the scanner's key.
            LedgerError: The ledger cannot be read or written.
        """
        admission = self._ledger.pending()
        if admission is None:
            return False
        redemption = self._client.redeem(
            RedemptionRequest(
                token=admission.scanned,
                nonce=admission.nonce,
                gate=self._gate,
                admitted_at=admission.admitted_at,
            )
        )
        self._ledger.settle(admission, redemption.outcome)
        when = admission.admitted_at.isoformat()
        if redemption.outcome is Outcome.ADMITTED:
            _log.info("admission_reported", admitted_at=when, pass_id=str(redemption.pass_id))
        else:
            _log.error(
                "offline_admission_was_wrong",
                admitted_at=when,
                outcome=redemption.outcome.value,
                pass_id=str(redemption.pass_id) if redemption.pass_id else None,
            )
        return True

    def _run(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(
                (CloudUnreachableError, KeyRefusedError, LedgerError)
            ),
            wait=self._pauses,
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            before_sleep=self._log_failure,
            retry_error_callback=lambda _state: False,
        )
        while not self._stop.is_set():
            if not attempts(self.report_next):
                self._stop.wait(self._every_s)

    def _log_failure(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, CloudUnreachableError):
            _log.info("admissions_wait", reason=str(error))
        else:
            _log.error("admissions_wait", reason=str(error))
