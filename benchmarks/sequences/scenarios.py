"""Scenarios: the kinds of clips."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from benchmarks.sequences.camera import HEIGHT, WIDTH, Camera, ordinary
from benchmarks.sequences.casting import Cast
from benchmarks.sequences.clips import Clip, Subject, wear_at
from benchmarks.sequences.layers import Carrier, FlatLayer, PersonLayer
from benchmarks.sequences.motion import LivingHead, Path, Placement, SteadyHand, stand, walk
from benchmarks.sequences.people import Wear
from edge.values import Image

_ANY = (Wear.MASK, Wear.BARE, Wear.NOSE_OUT)
_SPOT = (WIDTH / 2, HEIGHT * 0.42)


class Stage:
    """Makes clips: it holds the people, the rooms and the chance of one run.

    Args:
        cast: The people.
        rooms: What stands behind them.
        rng: Source of chance.
    """

    def __init__(self, cast: Cast, rooms: list[Image], rng: np.random.Generator) -> None:
        self.cast, self.rng = cast, rng
        self._rooms = rooms

    def room(self) -> Image:
        """Return a background of the frame's size, u8 [HEIGHT, WIDTH, 3]."""
        picture = self._rooms[int(self.rng.integers(len(self._rooms)))]
        scale = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
        large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        y, x = (large.shape[0] - HEIGHT) // 2, (large.shape[1] - WIDTH) // 2
        return np.ascontiguousarray(large[y : y + HEIGHT, x : x + WIDTH], np.uint8)

    def wear(self) -> Wear:
        """Return what somebody wears: a mask, none, or one below the nose."""
        return _ANY[int(self.rng.choice(3, p=(0.45, 0.4, 0.15)))]

    def spot(self, width: float | None = None) -> Placement:
        """Return a place before the door where somebody stands."""
        x = _SPOT[0] + float(self.rng.uniform(-120, 120))
        y = _SPOT[1] + float(self.rng.uniform(-30, 30))
        return Placement(x, y, width or float(self.rng.uniform(55, 110)))

    def person(
        self,
        path: Path,
        *wears: tuple[float, Wear],
        liveliness: float = 1.0,
        counts: bool = True,
    ) -> Subject:
        """Return somebody who can wear all of `wears`, in the order of time."""
        seen = tuple(w for _, w in wears)
        who = self.cast.take(*seen)
        head = LivingHead(self.rng, liveliness)
        layer = PersonLayer(who, path, partial(wear_at, wears), head)
        return Subject(layer, wears, counts=counts)

    def picture(self, carrier: Carrier, path: Path, wear: Wear, liveliness: float) -> Subject:
        """Return a picture of somebody."""
        who = self.cast.take(wear)
        hand = SteadyHand(self.rng, liveliness)
        layer = FlatLayer(
            carrier=carrier,
            person=who,
            wear=wear,
            behind=self.room(),
            path=path,
            hand=hand,
            rng=self.rng,
        )
        return Subject(layer, ((0.0, wear),), real=False)

    def clip(
        self,
        kind: str,
        variant: str,
        seconds: float,
        *subjects: Subject,
        camera: Camera | None = None,
        room: Image | None = None,
    ) -> Clip:
        """Return a clip of these subjects."""
        return Clip(
            kind,
            variant,
            seconds,
            self.room() if room is None else room,
            subjects,
            camera or ordinary(self.rng),
            int(self.rng.integers(2**31)),
        )


def _at(place: Placement, begin: float = 0.0, end: float = math.inf) -> Path:
    return stand(place.x, place.y, place.width, begin, end)


def _approach(s: Stage) -> Iterator[Clip]:
    for wear in (Wear.MASK, Wear.BARE):
        near = s.spot(float(s.rng.uniform(85, 115)))
        far = Placement(near.x + float(s.rng.uniform(-60, 60)), near.y - 20, 26.0)
        path = walk([(0.3, far), (3.3, near), (4.8, near)])
        yield s.clip("approach", wear, 5.0, s.person(path, (0.0, wear)))


def _walk_past(s: Stage) -> Iterator[Clip]:
    speeds = {"slow": 0.4, "walking": 0.8, "fast": 1.3}
    for far, width in {"near": 90.0, "middle": 60.0, "far": 40.0}.items():
        for speed, metres in speeds.items():
            y = HEIGHT * 0.4 + float(s.rng.uniform(-30, 30))
            # A face is about 15 cm wide.
            seconds = (WIDTH + 2 * width) / (metres / 0.15 * width)
            ends = [Placement(-width, y, width), Placement(WIDTH + width, y, width)]
            if s.rng.random() < 0.5:
                ends.reverse()
            path = walk([(0.3, ends[0]), (0.3 + seconds, ends[1])])
            someone = s.person(path, (0.0, s.wear()))
            yield s.clip(f"walk past, {far}, {speed}", "", 0.6 + seconds, someone)


def _stand(s: Stage) -> Iterator[Clip]:
    for wear in _ANY:
        yield s.clip("stand", wear, 6.0, s.person(_at(s.spot(), 0.2, 5.5), (0.0, wear)))
    for wear in (Wear.MASK, Wear.BARE):
        still = s.person(_at(s.spot(), 0.2, 5.5), (0.0, wear), liveliness=0.2)
        yield s.clip("stand quite still", wear, 6.0, still)


def _crossing(s: Stage) -> Iterator[Clip]:
    for pair in ((Wear.MASK, Wear.BARE), (Wear.BARE, Wear.BARE), (Wear.MASK, Wear.MASK)):
        y = HEIGHT * 0.4
        people = []
        for n, wear in enumerate(pair):
            width = float(s.rng.uniform(48, 58)) * (1.2 if n else 1.0)
            ends = [Placement(-width, y, width), Placement(WIDTH + width, y + 8, width)]
            if n:
                ends.reverse()
            people.append(s.person(walk([(0.3, ends[0]), (4.0, ends[1])]), (0.0, wear)))
        yield s.clip("two crossing", "-".join(pair), 4.3, *people)
    wears = (Wear.MASK, Wear.BARE, s.wear())
    people = []
    for n, wear in enumerate(wears):
        width = float(s.rng.uniform(42, 50)) * (1 + 0.2 * n)
        ends = [Placement(-width, HEIGHT * 0.4, width), Placement(WIDTH + width, 190, width)]
        if n == 1:
            ends.reverse()
        begin = 0.3 + 0.5 * (n == 2)
        end = 4.8 - 0.9 * (n == 2)
        people.append(s.person(walk([(begin, ends[0]), (end, ends[1])]), (0.0, wear)))
    yield s.clip("three crossing", "", 5.0, *people)


def _next_person(s: Stage) -> Iterator[Clip]:
    pairs = [(a, b) for a in (Wear.MASK, Wear.BARE) for b in (Wear.MASK, Wear.BARE)]
    for gap in (0.3, 0.7, 1.4, 2.0):
        for first, second in pairs:
            here = s.spot(float(s.rng.uniform(65, 105)))
            leaves = 2.5
            comes = leaves + gap
            other = replace(here, y=here.y + float(s.rng.uniform(-18, 18)))
            yield s.clip(
                f"next person after {gap} s",
                f"{first}-{second}",
                comes + 2.7,
                s.person(_at(here, 0.2, leaves), (0.0, first)),
                s.person(_at(other, comes, comes + 2.5), (0.0, second)),
            )


def _tailgater(s: Stage) -> Iterator[Clip]:
    for wear in (Wear.BARE, Wear.MASK):
        here = s.spot(float(s.rng.uniform(75, 100)))
        gone = Placement(here.x + 420, here.y, here.width)
        behind = Placement(here.x - 75, here.y - 6, here.width * 0.82)
        first = walk([(0.2, here), (2.5, here), (3.5, gone)])
        second = walk([(0.8, behind), (2.6, behind), (3.2, here), (5.6, here)])
        yield s.clip(
            "tailgater",
            wear,
            5.8,
            s.person(first, (0.0, Wear.MASK)),
            s.person(second, (0.0, wear)),
        )


def _mask_changes(s: Stage) -> Iterator[Clip]:
    changes = {
        "mask on after refusal": [(Wear.BARE, Wear.MASK), (Wear.NOSE_OUT, Wear.MASK)],
        "mask off after the pass": [(Wear.MASK, Wear.BARE)],
        "mask under the nose after the pass": [(Wear.MASK, Wear.NOSE_OUT)],
    }
    for kind, pairs in changes.items():
        for before, after in pairs:
            wears = ((0.0, before), (2.6, Wear.HAND), (3.2, after))
            someone = s.person(_at(s.spot(float(s.rng.uniform(70, 110)))), *wears)
            yield s.clip(kind, f"{before}-{after}", 7.5, someone)


def _hidden(s: Stage) -> Iterator[Clip]:
    for seconds in (1.0, 2.0, 3.0, 4.0):
        back = 2.5 + seconds
        for how in ("hand", "turned away", "somebody passes"):
            wear = (Wear.MASK, Wear.BARE)[int(s.rng.integers(2))]
            here = s.spot(float(s.rng.uniform(60, 90)))
            if how == "somebody passes":
                near = here.width * 1.7
                before = Placement(here.x - 30, here.y - 10, near)
                steps = [
                    (2.0, replace(before, x=-near * 2)),
                    (2.5, before),
                    (back, replace(before, x=here.x + 30)),
                    (back + 0.5, replace(before, x=WIDTH + 2 * near)),
                ]
                passer = s.person(walk(steps), (0.0, Wear.BACK), counts=False)
                people = [s.person(_at(here), (0.0, wear)), passer]
            else:
                covered = Wear.HAND if how == "hand" else Wear.BACK
                people = [s.person(_at(here), (0.0, wear), (2.5, covered), (back, wear))]
            yield s.clip(f"hidden for {seconds:.0f} s", how, back + 2.5, *people)


def _group(s: Stage) -> Iterator[Clip]:
    people = []
    for n in range(6):
        row, column = divmod(n, 3)
        width = 52.0 if row else 44.0
        x = 120 + column * 190 + (-50 if row else 20) + float(s.rng.uniform(-12, 12))
        place = Placement(x, (215 if row else 110) + float(s.rng.uniform(-8, 8)), width)
        people.append(s.person(_at(place, 0.2), (0.0, s.wear()), liveliness=0.7))
    yield s.clip("six in a group", "", 6.0, *people)


def _pictures(s: Stage) -> Iterator[Clip]:
    for carrier, liveliness in (
        (Carrier.POSTER, 0.0),
        (Carrier.PRINT, 1.0),
        (Carrier.PHONE, 1.0),
    ):
        name = {"poster": "poster on the wall", "print": "print in the hand"}.get(
            carrier, "phone held up"
        )
        for wear in (Wear.MASK, Wear.MASK, Wear.BARE):
            here = s.spot(float(s.rng.uniform(60, 95)))
            shown = s.picture(carrier, _at(here), wear, liveliness)
            people = [shown]
            if carrier is not Carrier.POSTER:
                # Who holds it stands behind it, with the face hidden.
                holder = replace(here, x=here.x + 20, width=here.width * 0.8)
                people.append(s.person(_at(holder), (0.0, Wear.BACK), counts=False))
            yield s.clip(name, wear, 5.0, *people)


def _bad_pictures(s: Stage) -> Iterator[Clip]:
    for wear in (Wear.MASK, Wear.BARE):
        dark = Camera(light=float(s.rng.uniform(0.18, 0.3)), noise=5.0, quality=75)
        yield s.clip("dark", wear, 5.0, s.person(_at(s.spot()), (0.0, wear)), camera=dark)
        blurred = replace(ordinary(s.rng), blur=float(s.rng.uniform(1.8, 2.8)))
        yield s.clip("blurred", wear, 5.0, s.person(_at(s.spot()), (0.0, wear)), camera=blurred)
        glare = np.asarray(np.clip(s.room().astype(np.float32) * 0.6 + 560, 0, 255), np.uint8)
        against = Camera(light=float(s.rng.uniform(0.3, 0.42)), noise=3.5, quality=75)
        someone = s.person(_at(s.spot()), (0.0, wear))
        yield s.clip("backlit", wear, 5.0, someone, camera=against, room=glare)


SCENARIOS: Mapping[str, Callable[[Stage], Iterator[Clip]]] = {
    "approach": _approach,
    "walk-past": _walk_past,
    "stand": _stand,
    "crossing": _crossing,
    "next-person": _next_person,
    "tailgater": _tailgater,
    "mask-changes": _mask_changes,
    "hidden": _hidden,
    "group": _group,
    "pictures": _pictures,
    "bad-pictures": _bad_pictures,
}
"""The families of kinds by name."""
