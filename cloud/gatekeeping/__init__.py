"""The rule of the door: who gets a pass, and who is admitted with one.

`accept` decides on an event, `redeem` on a scanned code. Each is held once: the API and the bot
call the same function, and the store writes the result only while what it rests on still holds
(see `optimistic`). `undo` and `issue_manual_pass` complete the life of a pass.
"""

from cloud.gatekeeping.acceptance import VISITOR_WAIT, Answer, PassRules, PostedEvent, accept, offer
from cloud.gatekeeping.decision import (
    CLOSED,
    GATE_CLOSED,
    REFUSALS,
    REFUSALS_WHILE_CLOSED,
    decide,
    lifetime_at,
)
from cloud.gatekeeping.manual_passes import PassIssuer, issue_manual_pass
from cloud.gatekeeping.optimistic import GateStore
from cloud.gatekeeping.redemption import MESSAGES, Scan, redeem, undo

__all__ = [
    "CLOSED",
    "GATE_CLOSED",
    "MESSAGES",
    "REFUSALS",
    "REFUSALS_WHILE_CLOSED",
    "VISITOR_WAIT",
    "Answer",
    "GateStore",
    "PassIssuer",
    "PassRules",
    "PostedEvent",
    "Scan",
    "accept",
    "decide",
    "issue_manual_pass",
    "lifetime_at",
    "offer",
    "redeem",
    "undo",
]
