"""The client of the cloud's API: `cloud.client`, with errors in words for the page."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self, TypeVar
from uuid import UUID

from pydantic import BaseModel

from cloud.client import ApiTimedOut, Forbidden, Page, Refused, Unauthenticated, Unread
from cloud.client import ApiUnreachable as NoAnswer
from cloud.client import ApiUnreadable as NoApi
from cloud.client import Client as Api
from cloud.contract import (
    Access,
    Delivery,
    DeliveryStatus,
    Device,
    EventRecord,
    Gate,
    GateChange,
    Label,
    ProblemCode,
)
from dashboard.errors import (
    ApiRefused,
    ApiUnreachable,
    ApiUnreadable,
    DashboardError,
    GateUnknown,
    KeyRefused,
    PassOver,
    RoleForbidden,
    StoreUnavailable,
)
from dashboard.settings import Settings

ItemT = TypeVar("ItemT", bound=BaseModel)

PAGE_LIMIT = 100
"""The most items that one call asks for."""


class Client:
    """Reads gates, events, deliveries and passes; closes gates. Every failure is a DashboardError.

    A list has an `Unread` in the place of an item that this version cannot read: a newer cloud may
    know labels, channels or states that this dashboard does not. Threads may share a client.

    Args:
        settings: The address of the API, and the key.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.api_timeout_s
        self._api = Api(
            str(settings.api_url),
            settings.api_key,
            timeout_s=settings.api_timeout_s,
            user_agent="maskgate-dashboard",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the API."""
        self._api.close()

    def now(self) -> datetime:
        """Return the cloud's time: a wrong clock of this machine must not show a pass too long."""
        return self._api.now()

    def gates(self) -> list[Gate | Unread]:
        """Return all gates that the key may read."""
        with self._errors_in_words():
            return _all(lambda cursor: self._api.list_gates(after=cursor))

    def gate(self, gate_id: str) -> Gate:
        """Read one gate.

        Args:
            gate_id: The id of the gate.

        Returns:
            The gate as it is now.

        Raises:
            GateUnknown: The key may read no gate with this id.
        """
        for gate in self.gates():
            if isinstance(gate, Gate) and gate.id == gate_id:
                return gate
        raise GateUnknown(
            f"The gate '{gate_id}' was deleted, or this key may not see it any more.",
            "Load this page again, and choose another gate.",
        )

    def close_gate(self, gate_id: str, *, closed: bool, reason: str) -> Gate:
        """Close or open a gate; the cloud's audit trail keeps the reason."""
        with self._errors_in_words():
            return self._api.change_gate(gate_id, GateChange(closed=closed, reason=reason))

    def devices(self, gate: str | None = None) -> list[Device | Unread]:
        """Return all devices that the key may read, or those of one gate."""
        with self._errors_in_words():
            return _all(lambda cursor: self._api.list_devices(gate=gate, after=cursor))

    def events(
        self,
        *,
        gate: str | None = None,
        access: Access | None = None,
        label: Label | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page[EventRecord]:
        """Return one page of events, newest first; accepted from `since` on and before `until`."""
        with self._errors_in_words():
            return self._api.list_events(
                gate=gate,
                access=access,
                label=label,
                since=since,
                until=until,
                before=before,
                limit=limit,
            )

    def newest_event(self, gate: str) -> EventRecord | Unread | None:
        """Return the newest event of a gate; None where there is none."""
        page = self.events(gate=gate, limit=1)
        while not page.rows and page.next is not None:  # a page may be empty before the end
            page = self.events(gate=gate, before=page.next)
        return page.rows[0] if page.rows else None

    def deliveries(
        self,
        *,
        gate: str | None = None,
        status: DeliveryStatus | None = None,
        before: str | None = None,
        limit: int = PAGE_LIMIT,
    ) -> Page[Delivery]:
        """Return one page of deliveries, newest first."""
        with self._errors_in_words():
            return self._api.list_deliveries(gate=gate, status=status, before=before, limit=limit)

    def pass_qr(self, pass_id: UUID) -> bytes:
        """Read the QR code of a pass.

        Args:
            pass_id: The id of the pass.

        Returns:
            The code as a PNG.

        Raises:
            PassOver: The pass was used, expired or revoked.
        """
        with self._errors_in_words():
            return self._api.get_pass_qr_png(pass_id)

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """Translate the errors of `cloud.client` into errors in words for the page.

        Yields:
            Nothing; the call is made in the block.

        Raises:
            ApiUnreachable: The API did not answer, or not in time.
            ApiUnreadable: The answer is not one of the API, version 1.
            DashboardError: The API refused the call.
        """
        address = self._api.url
        try:
            yield
        except ApiTimedOut as error:
            raise ApiUnreachable(
                f"No answer from {address} within {self._timeout_s:g} s.", _START_IT
            ) from error
        except NoAnswer as error:
            said = str(error)
            raise ApiUnreachable(f"{said[:1].upper()}{said[1:]}.", _START_IT) from error
        except NoApi as error:
            raise ApiUnreadable(
                f"The server at {address} does not answer as version 1 of the API: {error}.",
                "Check DASHBOARD_API_URL: it has to be the API's address, without /v1.",
            ) from error
        except Refused as error:
            refusal = _refusal(error)
            raise refusal from error


def _all(read: Callable[[str | None], Page[ItemT]]) -> list[ItemT | Unread]:
    page = read(None)
    rows = page.rows
    while page.next is not None:
        page = read(page.next)
        rows = rows + page.rows
    return rows


def _refusal(refused: Refused) -> DashboardError:
    other = _OTHERS.get(type(refused), (ApiRefused, "The cloud's log says more."))
    error, mend = _MENDS.get(refused.code, other)
    detail = (refused.problem.detail or refused.problem.title).rstrip(".")
    return error(f"{detail[:1].upper()}{detail[1:]} ({refused.code}).", mend, code=refused.code)


_START_IT = (
    "Check that the API runs (python -m cloud api) and that DASHBOARD_API_URL is its address. "
    "This page tries again by itself."
)

_NEW_KEY = (
    "Make a key with: python -m cloud keys create Dashboard --role operator; "
    "set DASHBOARD_API_KEY to it and start the dashboard again."
)

_OTHERS: dict[type[Refused], tuple[type[ApiRefused], str]] = {
    Unauthenticated: (KeyRefused, _NEW_KEY),
    Forbidden: (RoleForbidden, _NEW_KEY),
}
"""The errors of the codes that _MENDS does not list."""

_MENDS: dict[ProblemCode | str, tuple[type[ApiRefused], str]] = {
    ProblemCode.KEY_MISSING: (KeyRefused, _NEW_KEY),
    ProblemCode.KEY_INVALID: (KeyRefused, _NEW_KEY),
    ProblemCode.KEY_REVOKED: (KeyRefused, _NEW_KEY),
    ProblemCode.KEY_EXPIRED: (KeyRefused, _NEW_KEY),
    ProblemCode.ROLE_FORBIDDEN: (RoleForbidden, _NEW_KEY),
    ProblemCode.GATE_FORBIDDEN: (RoleForbidden, "The key is bound to one gate: choose that gate."),
    ProblemCode.GATE_UNKNOWN: (
        GateUnknown,
        "Choose another gate, or make this one with: python -m cloud gates create.",
    ),
    ProblemCode.PASS_OVER: (PassOver, "The page shows the next verdict by itself."),
    ProblemCode.STORE_UNAVAILABLE: (
        StoreUnavailable,
        "Check the cloud's Redis (CLOUD_REDIS_URL). The doors go on judging and keep their events "
        "until Redis is back; this page tries again by itself.",
    ),
}
