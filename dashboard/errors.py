"""The errors of the dashboard, in words for the person who looks at the page.

DashboardError
├── SettingsInvalid          a DASHBOARD_ variable is missing, or its value cannot be used
├── ApiUnreachable           no server answers at DASHBOARD_API_URL, or not in time
├── ApiUnreadable            a server answers there, and not with version 1 of the API
└── ApiRefused               the cloud answered with a problem (RFC 9457)
    ├── KeyRefused           401: the key is unknown or revoked
    ├── RoleForbidden        403: the key may not do this
    ├── GateUnknown          404: there is no such gate
    ├── PassOver             410: the pass is used, expired or revoked, so it has no code to show
    └── StoreUnavailable     503: the cloud runs, and its Redis does not answer
"""

from cloud.contract import ProblemCode


class DashboardError(Exception):
    """A failure that the page shows.

    Args:
        what: What happened.
        mend: How to mend it.
    """

    title = "Something went wrong"

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what} {mend}")
        self.what = what
        self.mend = mend


class SettingsInvalid(DashboardError):  # noqa: N818 (here a name says what happened)
    """A variable is missing or has a value that cannot be used."""

    title = "The dashboard is not set up"


class ApiUnreachable(DashboardError):  # noqa: N818
    """The cloud's API did not answer."""

    title = "The cloud does not answer"


class ApiUnreadable(DashboardError):  # noqa: N818
    """The answer is not one that this version of the wire knows."""

    title = "The cloud's answer cannot be read"


class ApiRefused(DashboardError):  # noqa: N818
    """The API answered with a problem.

    Args:
        what: What happened.
        mend: How to mend it.
        code: The stable name of the problem.
    """

    title = "The cloud refused"

    def __init__(self, what: str, mend: str, *, code: ProblemCode | str) -> None:
        super().__init__(what, mend)
        self.code = code


class KeyRefused(ApiRefused):
    """The cloud does not accept the dashboard's key."""

    title = "The dashboard's key was refused"


class RoleForbidden(ApiRefused):
    """The key is valid, and its role may not do this."""

    title = "The dashboard's key may not do this"


class GateUnknown(ApiRefused):
    """The gate asked for does not exist, or the key may not see it."""

    title = "There is no such gate"

    def __init__(
        self, what: str, mend: str, *, code: ProblemCode | str = ProblemCode.GATE_UNKNOWN
    ) -> None:
        super().__init__(what, mend, code=code)


class PassOver(ApiRefused):
    """The pass was used, expired or revoked between two refreshes."""

    title = "This pass has ended"


class StoreUnavailable(ApiRefused):
    """The API runs, and its store does not answer."""

    title = "The cloud cannot reach its store"
