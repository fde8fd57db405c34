"""The cloud's API, as this dashboard uses it: the one file that speaks HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from cloud.contract import (
    Access,
    Delivery,
    DeliveryStatus,
    Device,
    EventRecord,
    Gate,
    GateChange,
    Label,
    Problem,
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
from dashboard.pages import Page, Unread, read_list, read_page
from dashboard.settings import Settings

PAGE_LIMIT = 100
"""The most items that one call asks for."""

T = TypeVar("T")


class Client:
    """Reads gates, events, deliveries and passes; closes gates. Every failure is a DashboardError.

    An item of a list that this version cannot read is an `Unread` in its place: a newer cloud may
    know labels, channels or states that this dashboard does not.

    Safe to share between threads, as httpx.Client is.
    """

    def __init__(self, settings: Settings) -> None:
        self._address = str(settings.api_url).rstrip("/")
        self._timeout_s = settings.api_timeout_s
        self._http = httpx.Client(
            base_url=self._address,
            headers={
                "Authorization": f"Bearer {settings.api_key.get_secret_value()}",
                "User-Agent": "maskgate-dashboard",
            },
            timeout=settings.api_timeout_s,
        )
        self._ahead = timedelta(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def now(self) -> datetime:
        """The time by the cloud's clock, from its last answer's Date (RFC 9110 section 6.6.1).

        Verdicts and expiries are stamped by that clock, so a dashboard whose own is wrong still
        drops a pass when it is over. To the second.
        """
        return datetime.now(UTC) + self._ahead

    def gates(self) -> list[Gate | Unread]:
        """All the gates that the key may read."""
        return self._read(lambda content: read_list(content, Gate), "/v1/gates")

    def gate(self, gate_id: str) -> Gate:
        """One gate, as it is now. Raises GateUnknown where the key sees none of this id."""
        for gate in self.gates():
            if isinstance(gate, Gate) and gate.id == gate_id:
                return gate
        raise GateUnknown(
            f"The gate '{gate_id}' is gone, or not this key's any more.",
            "Load this page again, and choose another gate.",
        )

    def close_gate(self, gate_id: str, *, closed: bool, reason: str) -> Gate:
        """Close or open a gate; `reason` goes into the cloud's audit trail."""
        change = GateChange(closed=closed, reason=reason)
        answer = self._ask(
            "PATCH", f"/v1/gates/{gate_id}", json=change.model_dump(exclude_unset=True)
        )
        return self._understood(answer, Gate.model_validate_json)

    def devices(self) -> list[Device | Unread]:
        """All the devices that the key may read."""
        return self._read(lambda content: read_list(content, Device), "/v1/devices")

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
        """One page of events, newest first; accepted from `since` on and before `until`."""
        return self._read(
            lambda content: read_page(content, EventRecord),
            "/v1/events",
            gate=gate,
            access=access,
            label=label,
            since=since.isoformat() if since else None,
            until=until.isoformat() if until else None,
            before=before,
            limit=limit,
        )

    def newest_event(self, gate: str) -> EventRecord | Unread | None:
        """The last event of a gate, or None where nothing has happened."""
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
        """One page of deliveries, newest first."""
        return self._read(
            lambda content: read_page(content, Delivery),
            "/v1/deliveries",
            gate=gate,
            status=status,
            before=before,
            limit=limit,
        )

    def pass_qr(self, pass_id: UUID) -> bytes:
        """The pass's QR code as a PNG. Raises PassOver once it may not be used any more."""
        answer = self._get(f"/v1/passes/{pass_id}/qr.png", {})
        if not answer.content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise self._unreadable("where a PNG was due, something else came")
        return answer.content

    def _read(self, shape: Callable[[bytes], T], path: str, **query: str | int | None) -> T:
        answer = self._get(path, {name: value for name, value in query.items() if value})
        return self._understood(answer, shape)

    def _understood(self, answer: httpx.Response, shape: Callable[[bytes], T]) -> T:
        try:
            return shape(answer.content)
        except ValidationError as error:
            raise self._unreadable(
                f"{error.error_count()} parts of it have another shape than v1's"
            ) from error

    def _get(self, path: str, query: dict[str, str | int]) -> httpx.Response:
        return self._ask("GET", path, params=query)

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **content)
        except httpx.TimeoutException as error:
            raise ApiUnreachable(
                f"No answer from {self._address} within {self._timeout_s:g} s.", _START_IT
            ) from error
        except httpx.TransportError as error:
            raise ApiUnreachable(
                f"Nobody answers at {self._address} ({error}).", _START_IT
            ) from error
        except httpx.HTTPError as error:
            raise self._unreadable(str(error)) from error
        self._note_the_time(answer)
        if answer.is_success:
            return answer
        raise self._refusal(answer)

    def _note_the_time(self, answer: httpx.Response) -> None:
        try:
            stamped = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            return  # no clock of its own (section 6.6.1 allows that): ours has to do
        self._ahead = stamped.astimezone(UTC) - datetime.now(UTC).replace(microsecond=0)

    def _refusal(self, answer: httpx.Response) -> DashboardError:
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            return self._unreadable(f"status {answer.status_code} without problem details")
        error, mend = _MENDS.get(problem.code, (ApiRefused, "The cloud's log says more."))
        said = (problem.detail or problem.title).rstrip(".")
        return error(f"{said[:1].upper()}{said[1:]} ({problem.code}).", mend, code=problem.code)

    def _unreadable(self, why: str) -> ApiUnreadable:
        return ApiUnreadable(
            f"What answers at {self._address} does not speak the cloud's API, version 1: {why}.",
            "Check DASHBOARD_API_URL: it is the API's address without /v1, and no proxy's page.",
        )


_START_IT = (
    "Check that the API runs (python -m cloud api) and that DASHBOARD_API_URL is its address. "
    "This page tries again by itself."
)

_NEW_KEY = (
    "Make a key with: python -m cloud keys create Dashboard --role operator; "
    "set DASHBOARD_API_KEY to it and start the dashboard again."
)

_MENDS: dict[ProblemCode, tuple[type[ApiRefused], str]] = {
    ProblemCode.KEY_MISSING: (KeyRefused, _NEW_KEY),
    ProblemCode.KEY_INVALID: (KeyRefused, _NEW_KEY),
    ProblemCode.KEY_REVOKED: (KeyRefused, _NEW_KEY),
    ProblemCode.KEY_EXPIRED: (KeyRefused, _NEW_KEY),
    ProblemCode.ROLE_FORBIDDEN: (RoleForbidden, _NEW_KEY),
    ProblemCode.GATE_FORBIDDEN: (RoleForbidden, "The key is bound to one gate: choose that one."),
    ProblemCode.GATE_UNKNOWN: (
        GateUnknown,
        "Choose another gate, or make this one with: python -m cloud gates create.",
    ),
    ProblemCode.PASS_OVER: (PassOver, "The page follows by itself."),
    ProblemCode.STORE_UNAVAILABLE: (
        StoreUnavailable,
        "Check the cloud's Redis (CLOUD_REDIS_URL). Gates go on judging and keep their events "
        "until it is back; this page tries again by itself.",
    ),
}
