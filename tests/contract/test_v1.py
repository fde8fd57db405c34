"""Version 1 of the wire: an old sample must parse for ever, with the same meaning.

A sample is never changed or removed; a new field or model gets a sample of its own.
"""

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from uuid_utils.compat import uuid7

from cloud import contract
from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH

SAMPLES: Final = Path(__file__).parent / "v1"

MODELS: Final[dict[str, type[BaseModel]]] = {
    "acknowledgement": contract.Acknowledgement,
    "audit_entry": contract.AuditEntry,
    "audit_entry_with_detail": contract.AuditEntry,
    "audit_page": contract.AuditPage,
    "command_page": contract.CommandPage,
    "command_page_of_models_and_logs": contract.CommandPage,
    "decision_granted": contract.Decision,
    "decision_granted_past_expiry": contract.Decision,
    "decision_gate_closed": contract.Decision,
    "decision_of_a_later_cloud": contract.Decision,
    "decision_refused": contract.Decision,
    "decision_too_late": contract.Decision,
    "delivery_acknowledged": contract.Delivery,
    "delivery_of_a_test": contract.Delivery,
    "delivery_page": contract.DeliveryPage,
    "device": contract.Device,
    "device_change": contract.DeviceChange,
    "device_change_expected_offline": contract.DeviceChange,
    "device_expected_offline": contract.Device,
    "device_log": contract.DeviceLog,
    "device_settings": contract.DeviceSettings,
    "enrolment": contract.Enrolment,
    "enrolment_code": contract.EnrolmentCode,
    "enrolment_request": contract.EnrolmentRequest,
    "event": contract.Event,
    "event_of_a_camera": contract.Event,
    "event_of_a_newer_edge": contract.Event,
    "event_page": contract.EventPage,
    "event_record_clock_ahead": contract.EventRecord,
    "event_record_too_late": contract.EventRecord,
    "gate": contract.Gate,
    "gate_change": contract.GateChange,
    "gate_closed": contract.Gate,
    "gate_in_a_time_zone": contract.Gate,
    "new_gate_in_a_time_zone": contract.NewGate,
    "gate_in_full": contract.Gate,
    "heartbeat": contract.Heartbeat,
    "heartbeat_ended_before_finished": contract.Heartbeat,
    "heartbeat_finished": contract.Heartbeat,
    "heartbeat_inference_precisions": contract.Heartbeat,
    "heartbeat_model_update": contract.Heartbeat,
    "heartbeat_of_several_cameras": contract.Heartbeat,
    "issued_key": contract.IssuedKey,
    "issued_subscriber": contract.IssuedSubscriber,
    "key_change": contract.KeyChange,
    "key_with_expiry": contract.Key,
    "log_request": contract.LogRequest,
    "manual_pass": contract.ManualPass,
    "model_choice": contract.ModelChoice,
    "model_package": contract.ModelPackage,
    "model_rollback": contract.ModelRollback,
    "new_key": contract.NewKey,
    "new_pass": contract.NewPass,
    "own_key": contract.OwnKey,
    "pairing_code": contract.PairingCode,
    "pass_page": contract.PassPage,
    "pass_record": contract.PassRecord,
    "problem": contract.Problem,
    "redemption_admitted": contract.Redemption,
    "redemption_gate_closed": contract.Redemption,
    "redemption_page": contract.RedemptionPage,
    "redemption_request": contract.RedemptionRequest,
    "redemption_page_of_an_outage": contract.RedemptionPage,
    "redemption_request_of_an_outage": contract.RedemptionRequest,
    "redemption_undone": contract.Redemption,
    "redemption_unknown": contract.Redemption,
    "rolled_key": contract.RolledKey,
    "rolled_secret": contract.RolledSecret,
    "new_screen": contract.NewScreen,
    "pending_screen": contract.PendingScreen,
    "screen": contract.Screen,
    "screen_confirmation": contract.ScreenConfirmation,
    "screen_link": contract.ScreenLink,
    "screen_state": contract.ScreenState,
    "session": contract.Session,
    "staff_member": contract.StaffMember,
    "statistics_page": contract.StatisticsPage,
    "subscriber": contract.Subscriber,
    "subscriber_change": contract.SubscriberChange,
    "subscriber_change_suspended": contract.SubscriberChange,
    "subscriber_in_full": contract.Subscriber,
    "subscriber_suspended": contract.Subscriber,
    "undo_request": contract.UndoRequest,
    "undo_request_with_nonce": contract.UndoRequest,
    "visitor_link": contract.VisitorLink,
    "webhook_device_offline": contract.DeviceWebhook,
    "webhook_device_online": contract.DeviceWebhook,
    "webhook_event": contract.WebhookEvent,
    "webhook_event_delivered_late": contract.WebhookEvent,
    "webhook_gate_closed": contract.GateWebhook,
    "webhook_gate_opened": contract.GateWebhook,
    "webhook_pass_redeemed": contract.RedemptionWebhook,
    "webhook_pass_redemption_undone": contract.RedemptionWebhook,
    "webhook_test": contract.TestWebhook,
}

NEWER_THAN_US: Final = {"event_of_a_newer_edge": {"temperature_c"}}


def test_every_sample_has_its_model() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(MODELS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_sample_parses_and_is_written_as_it_was(name: str) -> None:
    sample = json.loads((SAMPLES / f"{name}.json").read_text())
    read = MODELS[name].model_validate_json(json.dumps(sample))
    for field in NEWER_THAN_US.get(name, set()):
        del sample[field]
    written = read.model_dump(mode="json")
    # A newer writer may add fields; none that was there may be missing or say something else.
    assert _holds(written, sample), (written, sample)


def _holds(written: object, sample: object) -> bool:
    if isinstance(sample, dict):
        return isinstance(written, dict) and all(
            name in written and _holds(written[name], value) for name, value in sample.items()
        )
    if isinstance(sample, list):
        return (
            isinstance(written, list)
            and len(written) == len(sample)
            and all(_holds(*pair) for pair in zip(written, sample, strict=True))
        )
    return written == sample


def test_the_words_of_version_1_are_all_there() -> None:
    words = {
        contract.Label: {"with_mask", "without_mask", "incorrect_mask"},
        contract.Access: {"granted", "refused"},
        contract.RefusalReason: {
            "no_mask",
            "mask_worn_wrongly",
            "too_late",
            "clock_ahead",
            "gate_closed",
        },
        contract.Role: {"device", "scanner", "kiosk", "viewer", "operator", "admin"},
        contract.PassSource: {"event", "by_hand"},
        contract.PassStatus: {"issued", "redeemed", "expired", "revoked"},
        contract.Outcome: {
            *("admitted", "unknown", "expired", "already_redeemed", "revoked", "wrong_gate"),
            *("gate_closed", "undone"),
        },
        contract.Channel: {"telegram", "email", "webhook"},
        contract.Topic: {"pass", "refusal", "redemption", "gate", "device"},
        contract.CommandKind: {"settings_changed", "preview_wanted", "reload", "roll_key"},
        contract.DeviceStatus: {"online", "offline"},
        contract.Grain: {"hour", "day"},
        contract.WebhookType: {
            *("pass.issued", "event.refused", "pass.redeemed", "pass.redemption_undone"),
            *("gate.closed", "gate.opened", "device.offline", "device.online", "test"),
        },
        contract.KeyStatus: {"active", "expired", "revoked"},
        contract.CallerKind: {"key", "session"},
        contract.Language: {"en", "es"},
        contract.StaffRole: {"operator", "guard"},
        contract.DeliveryKind: {"event", "redemption", "gate", "device", "test"},
        contract.DeliveryStatus: {"pending", "sent", "failed", "undelivered_by_choice"},
    }
    for kind, known in words.items():
        assert known <= {member.value for member in kind}


def test_every_type_of_webhook_has_a_body_of_its_own() -> None:
    bodies: TypeAdapter[BaseModel] = TypeAdapter(contract.WebhookBody)
    seen = set()
    for path in SAMPLES.glob("webhook_*.json"):
        sample = json.loads(path.read_text())
        assert type(bodies.validate_python(sample)) is MODELS[path.stem]
        seen.add(sample["type"])
    # What is issued has the body of what is refused, and no sample of its own.
    assert {*seen, "pass.issued"} == {member.value for member in contract.WebhookType}


def test_a_subscriber_without_the_newer_fields_means_what_it_meant() -> None:
    sample = json.loads((SAMPLES / "subscriber.json").read_text())
    read = contract.Subscriber.model_validate(sample)
    assert read.suspended_at is None
    assert contract.NewSubscriber(channel=contract.Channel.TELEGRAM, address="42").topics == [
        contract.Topic.PASS,
        contract.Topic.REFUSAL,
    ]


def test_tokens_are_13_of_58_unambiguous_letters() -> None:
    assert len(TOKEN_ALPHABET) == len(set(TOKEN_ALPHABET)) == 58
    assert not set("0OIl") & set(TOKEN_ALPHABET)
    assert TOKEN_LENGTH == 13


moments = st.datetimes(timezones=st.timezones())


@given(
    label=st.sampled_from(contract.Label),
    confidence=st.floats(0, 1),
    votes=st.integers(1, 10_000),
    seen=st.tuples(moments, moments),
)
def test_any_event_survives_the_wire(
    label: contract.Label, confidence: float, votes: int, seen: tuple[object, object]
) -> None:
    first, last = sorted(seen)  # type: ignore[type-var]
    event = contract.Event.model_validate(
        {
            "id": uuid7(),
            "label": label,
            "confidence": confidence,
            "votes": votes,
            "first_seen_at": first,
            "occurred_at": last,
        }
    )
    assert contract.Event.model_validate_json(event.model_dump_json()) == event


@given(st.text(min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH))
def test_a_token_of_other_letters_is_none(text: str) -> None:
    sample = json.loads((SAMPLES / "decision_granted.json").read_text())["pass"]
    if set(text) <= set(TOKEN_ALPHABET):
        return
    with pytest.raises(ValidationError):
        contract.IssuedPass.model_validate({**sample, "token": text})
