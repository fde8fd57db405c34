"""The scene: what a visitor sees on the screen at a door, as JSON for the page."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from cloud.contract import (
    Access,
    EventRecord,
    GateCamera,
    PassStatus,
    ScreenState,
)
from dashboard.wording.banner import Banner, Tone, banner_for
from dashboard.wording.clock import LocalClock


class View(StrEnum):
    """The views of the page; each has a title and a message in each language."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    WELCOME = "welcome"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"
    NO_CAMERA = "no_camera"
    OUT_OF_ORDER = "out_of_order"


@dataclass(frozen=True, slots=True)
class Scene:
    """A view, and what it needs.

    Args:
        view: The view.
        gate: The gate's name.
        change: Identifies the verdict: a sound is played once for each.
        reason: Why somebody is refused, or why the gate is closed.
        code: The pass's QR code as a PNG; None where no code is shown.
        left_s: Seconds from now until the view is over; None where it lasts.
        since_s: Seconds since the gate was closed; None where that is not known.
        visitor_code: The QR code of the link to the bot, as a PNG.
    """

    view: View
    gate: str
    change: str = ""
    reason: str = ""
    code: bytes | None = None
    left_s: float | None = None
    since_s: float | None = None
    visitor_code: bytes | None = None

    def document(self) -> dict[str, Any]:
        """Return the scene as the page reads it."""
        return {
            "view": self.view.value,
            "gate": self.gate,
            "change": self.change,
            "reason": self.reason,
            "code": _picture(self.code),
            "left_s": self.left_s,
            "since_s": self.since_s,
            "visitor_code": _picture(self.visitor_code),
        }


def pass_to_show(state: ScreenState, now: datetime, shown: timedelta) -> UUID | None:
    """Return the pass whose QR code belongs on the screen now; None where none does."""
    return None if state.gate.closed else _banner(state, now, shown).qr_of


def scene_of(
    state: ScreenState,
    now: datetime,
    shown: timedelta,
    code: bytes | None,
    visitor_code: bytes | None = None,
) -> Scene:
    """Return the scene of a gate.

    Args:
        state: What the cloud said last.
        now: The time by the cloud's clock.
        shown: How long a refusal, or the end of a pass, stays.
        code: The QR code of the pass that `pass_to_show` names.
        visitor_code: The QR code of the link to the bot.

    Returns:
        The scene.
    """
    gate, event = state.gate, state.event
    if gate.closed:
        since_s = (now - gate.closed_at).total_seconds() if gate.closed_at else None
        return Scene(View.CLOSED, gate.name, "closed", gate.closed_reason, since_s=since_s)
    banner = _banner(state, now, shown)
    if event is None or banner.tone is Tone.WAITING:
        if state.camera is not GateCamera.LIVE:
            return Scene(View.NO_CAMERA, gate.name)
        return Scene(View.WAITING, gate.name, visitor_code=visitor_code)
    view = _view_of(event, banner)
    if view is View.GRANTED and code is None:
        return Scene(View.OUT_OF_ORDER, gate.name)
    return Scene(
        view,
        gate.name,
        f"{event.id}:{view}",
        str(event.refusal.reason) if event.refusal else "",
        code if view is View.GRANTED else None,
        _left_s(event, view, now, shown),
    )


def _view_of(event: EventRecord, banner: Banner) -> View:
    known = {Tone.GRANTED: View.GRANTED, Tone.REFUSED: View.REFUSED, Tone.ADMITTED: View.WELCOME}
    if banner.tone in known:
        return known[banner.tone]
    status = event.pass_record.status if event.pass_record else None
    # A pass that the cloud called good a moment ago is over by its expiry.
    over = status in {PassStatus.ISSUED, PassStatus.EXPIRED}
    return View.EXPIRED if over else View.REVOKED


def _banner(state: ScreenState, now: datetime, shown: timedelta) -> Banner:
    return banner_for(state.event, LocalClock(UTC, "UTC", now), shown)


def _left_s(event: EventRecord, view: View, now: datetime, shown: timedelta) -> float:
    """Return the seconds until the view of a verdict is over, never negative."""
    its_pass = event.pass_record
    until = event.accepted_at + shown
    if its_pass is not None and event.access is Access.GRANTED:
        until = its_pass.expires_at
        if view is View.WELCOME:
            until = (its_pass.redeemed_at or event.accepted_at) + shown
        elif view is View.EXPIRED:
            until = its_pass.expires_at + shown
    return max(0.0, (until - now).total_seconds())


def _picture(png: bytes | None) -> str | None:
    return None if png is None else f"data:image/png;base64,{base64.b64encode(png).decode()}"
