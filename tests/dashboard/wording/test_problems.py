"""The words for the problems of devices."""

import pytest

from cloud.contract import DeviceProblem
from dashboard.wording.problems import WORDS, Severity, place_of, words_for
from edge.capture.picture_faults import PictureFault
from edge.stages import Stage


def test_every_problem_that_the_edge_names_has_words() -> None:
    assert set(WORDS) == set(DeviceProblem)
    assert {str(fault) for fault in PictureFault} < set(DeviceProblem)
    assert {f"{stage}_stuck" for stage in Stage} < set(DeviceProblem)


@pytest.mark.parametrize("problem", DeviceProblem)
def test_a_problem_has_sentences_that_say_what_is_wrong_and_what_to_do(
    problem: DeviceProblem,
) -> None:
    words = words_for(problem)
    for text in (words.what, words.mend):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "_" not in text.replace("EDGE_DETECTOR and EDGE_CLASSIFIER", "")


@pytest.mark.parametrize("fault", PictureFault)
def test_a_picture_that_is_not_judged_is_bad(fault: PictureFault) -> None:
    assert (words_for(fault).severity is Severity.BAD) == fault.is_dead


def test_an_unknown_problem_is_named_after_the_bad_ones_that_are_known() -> None:
    places = {
        severity: [place_of(each) for each, words in WORDS.items() if words.severity is severity]
        for severity in Severity
    }
    assert (
        max(places[Severity.BAD]) <= place_of("invented_tomorrow") < min(places[Severity.WARNING])
    )
    assert "invented_tomorrow" in words_for("invented_tomorrow").what
