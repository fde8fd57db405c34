"""Names and reasons: text of any script, and none that looks like another text or is invisible."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from cloud import contract
from cloud.contract.text import KeptName, Name, Reason

NAMES = TypeAdapter[str](Name)
KEPT = TypeAdapter[str](KeptName)
REASONS = TypeAdapter[str](Reason)

TAKEN = [
    "Main entrance",
    "入口 Übergang 🎭",
    "می\u200cخواهم",  # Persian: a non-joiner inside of a word
    "क्\u200d",  # Hindi: a half letter at the end of a word
    "क्\u200dष",
    "👩🏽\u200d💻 desk",
    "❤\ufe0f\u200d🔥",
    "🙂\u200d↔\ufe0f",
    "Gate 1\ufe0f\u20e3",
    "葛\U000e0100城",  # an ideograph and the variant of it that a city's name takes
    "שער ראשי",
    "البوابة ١",
]

REFUSED = [
    "a\nb",
    "a\x00b",
    "a\x7fb",
    "a\u2028b",
    *(f"a{chr(control)}b" for control in range(0x202A, 0x202F)),
    *(f"a{chr(isolate)}b" for isolate in range(0x2066, 0x206A)),
    "\u200emain",
    "\u200fmain",
    "\u061cmain",
    "ma\u200bin",
    "ma\u200cin",  # Latin needs no joiner
    "ma\u200din",
    "main\u200d",
    "🎭\u200d",
    "ma\u00adin",
    "ma\ufeffin",
    "ma\u2060in",
    "ma\ufe0fin",
    "ma\u034fin",
    "\u3164",
    "main\u3164",
    "\u2800",
    "\u115f\u1160",
    "\uffa0",
    "\ue000",
    "\U000f0000",
    "\U0010ffff",
    "\u0378",
    "\u0301",  # a mark on nothing
    "🏴\U000e0067\U000e0062\U000e007f",
    "\u00a0\u00a0",
]


@pytest.mark.parametrize("text", TAKEN, ids=ascii)
def test_a_name_of_any_script_is_taken(text: str) -> None:
    assert NAMES.validate_python(text) == text
    assert REASONS.validate_python(text) == text


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_a_name_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(text)


def test_a_name_is_kept_in_one_form() -> None:
    assert NAMES.validate_python("Entre\u0301e") == "Entr\u00e9e"
    assert NAMES.validate_python("  Main  ") == "Main"


def test_a_reason_may_be_empty() -> None:
    assert REASONS.validate_python("  ") == ""


def test_a_name_that_an_earlier_version_took_is_still_read() -> None:
    assert KEPT.validate_python("\u202emain") == "\u202emain"


MOMENT = "2026-03-02T08:15:30Z"


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (contract.Gate, {"id": "main", "name": "\u202emain", "created_at": MOMENT}),
        (
            contract.Key,
            {"id": "k", "name": "a\u200bb", "role": "viewer", "created_at": MOMENT},
        ),
        (
            contract.Device,
            {"id": "d", "name": "\u3164", "gate": "main", "enrolled_at": MOMENT},
        ),
        (
            contract.Subscriber,
            {
                "id": "s",
                "channel": "webhook",
                "address": "https://example.org:99999/\u200b",
                "gate": "main",
                "created_at": MOMENT,
            },
        ),
    ],
)
def test_what_an_earlier_version_kept_is_still_read(
    model: type[BaseModel], document: dict[str, str]
) -> None:
    read = model.model_validate(document)
    assert read.model_dump()["id"] == document["id"]


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (contract.NewGate, {"id": "main", "name": "\u202emain"}),
        (contract.GateChange, {"name": "\u202emain"}),
        (contract.GateChange, {"reason": "\u202emain"}),
        (contract.NewKey, {"name": "\u202emain", "role": "viewer"}),
        (contract.EnrolmentRequest, {"code": "c", "name": "\u202emain"}),
        (contract.NewAccount, {"name": "\u202emain", "role": "viewer"}),
        (contract.NewAccount, {"name": "\u3164", "role": "viewer"}),
        (contract.NewSubscriber, {"channel": "email", "address": "\u202emain@example.org"}),
        (contract.NewPass, {"reason": "\u202emain"}),
        (contract.UndoRequest, {"reason": "\u202emain"}),
    ],
)
def test_every_text_of_people_is_looked_at(
    model: type[BaseModel], document: dict[str, str]
) -> None:
    with pytest.raises(ValidationError, match=r"U\+"):
        model.model_validate(document)
