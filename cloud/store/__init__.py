"""The store: the only place that knows Redis, its keys and its errors.

There is one repository class for each noun. An event is accepted with its pass, its deliveries and
their jobs in one write (`Events.add`); a pass is redeemed by one script (`Passes.redeem`). Redis
runs with its append-only file on. An error of redis-py leaves this package as a `StoreError`.

The names below are the package's interface; the modules are in rooms, whose order the contract
"the store's floors" in pyproject.toml holds.
"""

from cloud.store.acceptance import Acceptance, Receipt
from cloud.store.access.accounts import OpenSession, StoredAccount, csrf_token, new_account_id
from cloud.store.access.keys import StoredKey, amended, declared, expiry_of, mint
from cloud.store.admission.feed import MISSED_AT_MOST, CloseReason, Feed, FeedEvent, Listener
from cloud.store.admission.passes import Attempt, RedemptionResult, UndoOutcome
from cloud.store.asynchronous import AsyncStore
from cloud.store.jobs.queue import (
    DELIVER,
    DRAW_QR,
    JOB_TIMEOUT_S,
    SHOW_ACKNOWLEDGEMENT,
    WHEN_FAILED,
    JobQueue,
)
from cloud.store.maintenance.backup import dated, leftovers, newest, thin_out
from cloud.store.maintenance.deletion import DeletionRequest
from cloud.store.maintenance.readings import Reading
from cloud.store.maintenance.retention import PurgeCounts
from cloud.store.messages.deliveries import Alert, DeliveryFilter, LeasedByAnother
from cloud.store.moments import now
from cloud.store.people.updates import Sender
from cloud.store.people.visitors import Visitor, arrived_by, first_waiting
from cloud.store.policy_context import PolicyContext
from cloud.store.records import StoredPass
from cloud.store.reports.audit import COMMAND, differences, fields_of
from cloud.store.reports.statistics import QUARTER, Tally, kept_in_quarters, midnight
from cloud.store.sites.gates import subscriber_id
from cloud.store.sites.long_polls import LongPolls
from cloud.store.sites.preview_streams import PreviewStreams
from cloud.store.store import Store
from cloud.store.transaction import WriteOutcome

__all__ = [
    "COMMAND",
    "DELIVER",
    "DRAW_QR",
    "JOB_TIMEOUT_S",
    "MISSED_AT_MOST",
    "QUARTER",
    "SHOW_ACKNOWLEDGEMENT",
    "WHEN_FAILED",
    "Acceptance",
    "Alert",
    "AsyncStore",
    "Attempt",
    "CloseReason",
    "DeletionRequest",
    "DeliveryFilter",
    "Feed",
    "FeedEvent",
    "JobQueue",
    "LeasedByAnother",
    "Listener",
    "LongPolls",
    "OpenSession",
    "PolicyContext",
    "PreviewStreams",
    "PurgeCounts",
    "Reading",
    "Receipt",
    "RedemptionResult",
    "Sender",
    "Store",
    "StoredAccount",
    "StoredKey",
    "StoredPass",
    "Tally",
    "UndoOutcome",
    "Visitor",
    "WriteOutcome",
    "amended",
    "arrived_by",
    "csrf_token",
    "dated",
    "declared",
    "differences",
    "expiry_of",
    "fields_of",
    "first_waiting",
    "kept_in_quarters",
    "leftovers",
    "midnight",
    "mint",
    "new_account_id",
    "newest",
    "now",
    "subscriber_id",
    "thin_out",
]
