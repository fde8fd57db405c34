"""Each text is there for every value that it may be about, in every language."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from cloud.contract import (
    Access,
    Channel,
    Decision,
    Event,
    Gate,
    IssuedPass,
    Label,
    Language,
    Refusal,
    RefusalReason,
    WebhookEvent,
)
from cloud.notify.texts import text_of, visitor_text
from cloud.notify.wording import label_words

NOW = datetime(2026, 3, 2, 8, 15, 31, tzinfo=UTC)
PLACE = Gate(id="main", name="Main entrance", created_at=NOW)
OF_THE_WIRE = [each.value for kind in (Label, RefusalReason) for each in kind if "_" in each.value]


def decision(event: Event, reason: RefusalReason | None) -> Decision:
    issued = IssuedPass(id=uuid4(), token="7Kq2mXw9PfR4t", expires_at=NOW + timedelta(minutes=5))
    return Decision(
        event_id=event.id,
        gate=PLACE.id,
        access=Access.GRANTED if reason is None else Access.REFUSED,
        decided_at=NOW,
        issued_pass=issued if reason is None else None,
        refusal=None if reason is None else Refusal(reason=reason, message="No pass."),
    )


@pytest.mark.parametrize(
    ("language", "label", "reason"),
    list(itertools.product(Language, Label, [None, *RefusalReason])),
)
def test_every_channel_and_every_visitor_can_be_told(
    make_event: Callable[..., Event],
    language: Language,
    label: Label,
    reason: RefusalReason | None,
) -> None:
    event = make_event(label, first_seen_at=NOW, occurred_at=NOW)
    decided = decision(event, reason)
    told = {each: text_of(each, PLACE, event, decided, language) for each in Channel}
    hook = told.pop(Channel.WEBHOOK)
    assert hook is not None
    assert WebhookEvent.model_validate_json(hook).data.event_id == event.id
    said = [text for text in told.values() if text is not None]
    for closed in (False, True):
        gate = PLACE.model_copy(update={"closed": closed})
        said.append(visitor_text(gate, event, decided, language))
    for text in said:
        assert PLACE.name in text
        assert not [word for word in OF_THE_WIRE if word in text]


@pytest.mark.parametrize(("language", "label"), list(itertools.product(Language, Label)))
def test_every_label_has_its_words(language: Language, label: Label) -> None:
    assert label_words(label, language)
    assert "_" not in label_words(label, language)
