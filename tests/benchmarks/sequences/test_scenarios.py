"""Scenarios: who is drawn is where the truth says, and is hidden where nobody could see."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from benchmarks.sequences.camera import HEIGHT, WIDTH
from benchmarks.sequences.casting import Cast, backgrounds_of, drawn_people
from benchmarks.sequences.clips import Clip
from benchmarks.sequences.people import Person, Wear
from benchmarks.sequences.scenarios import SCENARIOS, Stage
from cloud.contract import Label
from training.errors import MissingDataError


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return drawn_people(4, np.random.default_rng(0))


def clips(family: str, people: list[Person], seed: int = 0) -> Iterator[Clip]:
    rng = np.random.default_rng(seed)
    return SCENARIOS[family](Stage(Cast(people, rng), backgrounds_of(None, 2, rng), rng))


def named(family: str, people: list[Person], kind: str, variant: str) -> Clip:
    return next(c for c in clips(family, people) if (c.kind, c.variant) == (kind, variant))


def labels_at(clip: Clip, second: float) -> list[Label | None]:
    return [face.label for face in clip.faces_at(second)]


def test_drawn_people_can_wear_everything(people: list[Person]) -> None:
    assert all(person.can(*Wear) for person in people)
    assert len({person.name for person in people}) == len(people)


def test_nobody_has_two_turns_before_everybody_had_one(people: list[Person]) -> None:
    cast = Cast(people, np.random.default_rng(1))
    assert {cast.take(Wear.MASK).name for _ in people} == {p.name for p in people}


def test_a_cast_without_fitting_people_says_so() -> None:
    with pytest.raises(MissingDataError, match="nobody can show bare"):
        Cast([], np.random.default_rng(0)).take(Wear.BARE)


def test_the_same_seed_makes_the_same_frames(people: list[Person]) -> None:
    def first(seed: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        return next(islice(next(clips("stand", people, seed)).frames((5,)), 3, None)).image

    assert (first(3) == first(3)).all()
    assert (first(3) != first(4)).any()


def test_only_the_frames_of_a_rate_are_drawn(people: list[Person]) -> None:
    places = [f.place for f in islice(next(clips("stand", people)).frames((10, 15)), 6)]
    assert places == [0, 2, 3, 4, 6, 8]


def test_every_family_makes_clips_of_the_camera_s_size(people: list[Person]) -> None:
    for family in SCENARIOS:
        assert next(next(clips(family, people)).frames()).image.shape == (HEIGHT, WIDTH, 3), family


def test_a_person_is_drawn_where_the_truth_says(people: list[Person]) -> None:
    clip = next(clips("stand", people))
    empty, shown = next(clip.frames()), next(islice(clip.frames((5,)), 5, None))
    assert not empty.faces
    (face,) = shown.faces
    x, y = (int(v) for v in face.box.centre)
    change = np.abs(shown.image.astype(int) - empty.image.astype(int)).sum(axis=2)
    assert change[y - 5 : y + 5, x - 5 : x + 5].mean() > 4 * change[:20, :20].mean() + 10


def test_a_face_behind_somebody_has_no_label(people: list[Person]) -> None:
    clip = named("hidden", people, "hidden for 2 s", "somebody passes")
    assert any(label is not None for label in labels_at(clip, 1.0))
    assert labels_at(clip, 3.5) == [None, None]


def test_a_hand_or_a_turned_head_has_no_label(people: list[Person]) -> None:
    for how in ("hand", "turned away"):
        clip = named("hidden", people, "hidden for 1 s", how)
        (before,), (covered,), (after,) = (labels_at(clip, t) for t in (2.0, 3.0, 4.0))
        assert covered is None
        assert before is after is not None


def test_a_mask_comes_off_after_the_pass(people: list[Person]) -> None:
    clip = named("mask-changes", people, "mask off after the pass", "mask-bare")
    assert labels_at(clip, 1.0) == [Label.WITH_MASK]
    assert labels_at(clip, 5.0) == [Label.WITHOUT_MASK]


def test_a_poster_does_not_move_and_a_print_in_the_hand_does(people: list[Person]) -> None:
    def boxes(kind: str) -> list[float]:
        clip = named("pictures", people, kind, "mask")
        picture = clip.subjects[0].layer
        blank = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        shown = [picture.draw(blank, t)[0] for t in (0.0, 1.0, 2.0)]
        return [s.box.x0 for s in shown if s is not None]

    assert np.ptp(boxes("poster on the wall")) == 0
    assert np.ptp(boxes("print in the hand")) > 1
