"""The typed client of the cloud's API, for Python programs.

    with Client("https://gate.example.org", key) as api:
        for event in api.iter_events(gate="main", label=Label.WITHOUT_MASK):
            print(event.occurred_at, event.confidence)

A method has the name of its operation in /openapi.json (`operationId`). It takes the parameters of
path and query by their names, and the body as a model of `cloud.contract`; it returns a model too.
Lists return a `Page`; `iter_…` reads all pages. A call without an answer raises an error of
`cloud.client.errors`.

The client needs `cloud.contract`, httpx and pydantic, and nothing else of the cloud.
"""

from cloud.client.accounts import Accounts
from cloud.client.deliveries import Deliveries
from cloud.client.devices import Devices
from cloud.client.errors import (
    ApiTimedOut,
    ApiUnreachable,
    ApiUnreadable,
    ClientError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Refused,
    StreamGap,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from cloud.client.events import Events
from cloud.client.gates import Gates
from cloud.client.keys import Keys
from cloud.client.models import Models
from cloud.client.pages import Page, Unread
from cloud.client.passes import Passes
from cloud.client.reports import Reports
from cloud.client.screens import Screens
from cloud.client.stream import StreamMessage
from cloud.client.subscribers import Subscribers

__all__ = [
    "ApiTimedOut",
    "ApiUnreachable",
    "ApiUnreadable",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "Page",
    "Refused",
    "StreamGap",
    "StreamMessage",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "Unread",
]


class Client(
    Events,
    Passes,
    Gates,
    Subscribers,
    Devices,
    Models,
    Keys,
    Accounts,
    Deliveries,
    Reports,
    Screens,
):
    """All operations of the API, over one connection (`cloud.client.connection`)."""
