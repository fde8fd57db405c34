from pathlib import Path

import pytest

from training.errors import UnknownLabelError
from training.records.label_names import LabelNames, guess

HERE = Path("data.xml")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("with_mask", "with_mask"),
        ("Mask", "with_mask"),
        ("no-mask", "without_mask"),
        ("mask_weared_incorrect", "incorrect_mask"),
        ("Face with mask", "with_mask"),
        ("ignore", None),
    ],
)
def test_labels_of_public_sets_are_understood(name: str, label: str | None) -> None:
    labels = LabelNames()
    assert labels.label(name, HERE) == label
    labels.check()


def test_all_unknown_labels_are_in_one_message_with_counts_and_options_to_paste() -> None:
    labels = LabelNames()
    for name, where in (("sin mascarilla", "a.xml"), ("hat", "a.xml"), ("hat", "b.xml")):
        assert labels.label(name, Path(where)) is None
    labels.label("con mascarilla", Path("c.xml"), 120)
    with pytest.raises(UnknownLabelError) as raised:
        labels.check()
    message = str(raised.value)
    assert "label 'con mascarilla' is unknown: 120 faces in c.xml" in message
    assert "label 'hat' is unknown: 2 faces in a.xml, b.xml" in message
    assert (
        '--label "con mascarilla=with_mask" --label "hat=ignore" --label "sin mascarilla='
        'without_mask"'
    ) in message


def test_a_user_says_what_own_names_stand_for() -> None:
    labels = LabelNames({"Con mascarilla": "with_mask", "hat": "ignore", "mask": "incorrect_mask"})
    assert labels.label("con  mascarilla", HERE) == "with_mask"
    assert labels.label("hat", HERE) is None
    assert labels.label("mask", HERE) == "incorrect_mask"
    labels.check()


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("masque", "with_mask"),
        ("ohne Maske", "without_mask"),
        ("mask under nose", "incorrect_mask"),
        ("helmet", "ignore"),
    ],
)
def test_the_options_guess_what_a_name_means(name: str, meaning: str) -> None:
    assert guess(name) == meaning
