"""Reports: statistics, the audit trail, and the health of the API."""

from collections.abc import Iterator
from datetime import datetime

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import AuditEntry, Grain, StatisticsPage


class Reports(Connection):
    """Operations that read reports."""

    def read_statistics(
        self,
        *,
        gate: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Grain | None = None,
        tz: str | None = None,
    ) -> StatisticsPage:
        """Read counts of events and redemptions, by hour or by day.

        Args:
            gate: Of this gate alone.
            since: The start of the first period.
            until: The end of the last one.
            by: How long a period is.
            tz: The time zone of the hours and days, by its IANA name.

        Returns:
            The periods with their counts.
        """
        query = {"gate": gate, "since": since, "until": until, "by": by, "tz": tz}
        return self._one(StatisticsPage, "GET", "/v1/stats", query=query)

    def list_audit(
        self,
        *,
        gate: str | None = None,
        actor: str | None = None,
        act: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Page[AuditEntry]:
        """Read a page of the audit trail, newest first.

        Args:
            gate: Acts that concern this gate alone.
            actor: Acts of this key or account alone.
            act: These acts alone, such as `pass.revoked`.
            before: The `next` of the page before.
            limit: How many at most, 1 to 200.

        Returns:
            The page.
        """
        return self._page(
            AuditEntry, "/v1/audit", gate=gate, actor=actor, act=act, before=before, limit=limit
        )

    def iter_audit(
        self, *, gate: str | None = None, actor: str | None = None, act: str | None = None
    ) -> Iterator[AuditEntry]:
        """Read all of the audit trail that `list_audit` filters, newest first."""
        return each(
            lambda cursor: self.list_audit(
                gate=gate, actor=actor, act=act, before=cursor, limit=200
            )
        )

    def healthz(self) -> str:
        """Ask whether the API answers."""
        return self._ask("GET", "/healthz").text

    def readyz(self) -> str:
        """Ask whether the API can serve requests; raise Unavailable where it cannot."""
        return self._ask("GET", "/readyz").text

    def read_metrics(self) -> str:
        """Read the API's metrics, as Prometheus scrapes them."""
        return self._ask("GET", "/metrics").text
