"""The typed client of the cloud's API, for Python programs.

    with Client("https://gate.example.org", key) as api:
        for event in api.iter_events(gate="main", label=Label.WITHOUT_MASK):
            print(event.occurred_at, event.confidence)

A method is called as its operation in /openapi.json (`operationId`), takes the path's and the
query's parameters by their names and the body as a model of `cloud.contract`, and answers with
one. Lists answer with a `Page`; `iter_…` reads all pages. What is no answer is an error of
`cloud.client.errors`.

It needs `cloud.contract`, httpx and pydantic, and nothing else of the cloud.
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
from cloud.client.pages import Page, Unread
from cloud.client.passes import Passes
from cloud.client.reports import Reports
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


class Client(Events, Passes, Gates, Subscribers, Devices, Keys, Accounts, Deliveries, Reports):
    """All operations of the API, over one connection (`cloud.client.connection`)."""
