"""The check: a face must be seen to move before it may get a pass.

A living head never holds still: it sways by millimetres within a second (Winter, Human balance and
posture control during standing and walking, 1995). A picture on the wall does not move. The check
compares the place of each new face with its first frame, until the face has moved by more than the
rest of the picture. Who walks up has moved long before there are enough votes. A face that has not
moved is suspected to be a still, and its pass is held back; its votes count meanwhile.

A print in a moving hand moves, too. Where such pictures are suspected (`Stills.FLAT`), a movement
counts only as a parallax: the middle of the face must shift against its outline.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from edge.settings import Stills
from edge.stills.displacement import Reals, Reference
from edge.stills.parallax import ParallaxReference
from edge.values import Box, Image, TrackedFace

LEAST_MOVEMENT = 0.007
"""Movement as a share of the face's width, from which a face lives: about 1 mm."""

LEAST_PIXELS = 0.4
"""Least movement in pixels, whatever the size of the face. Noise and compression move a picture on
the wall by 0.1 px, and in the dark by up to 0.35 px (made sequences)."""

MOVED_FRAMES = 3
"""Frames with a movement that make a face live; they need not follow one another."""

WALKED = 0.35
"""Share of a face's width by which its box must have moved to live without a look at the pixels."""

LEAST_PARALLAX = 0.006
"""Parallax as a share of the face's width, from which a face is no flat picture: a turn of the head
by about one degree."""

PARALLAX_FRAMES = 5
"""Frames with a parallax that make a face live."""

REFERENCE_S = 3.0
"""Seconds after which a face is compared with a new first frame: light and distance change."""

RESIZED = 1.2
"""Factor of the box's width after which it is, too."""

SUSPECT_AFTER_S = 3.0
"""Seconds without a movement after which a face is reported as a still. A person who stands as for
a passport picture moves within 1.4 s (made sequences)."""

_FORGET_AFTER_S = 10.0
"""Seconds without the face after which it is forgotten."""

_CELLS = 40
"""Side of the weights of a frame, as `displacement.Reference` takes them."""


@dataclass(slots=True)
class _Watched:
    first_box: Box
    first_s: float
    last_s: float
    face: Reference
    room: Reference
    moved: int = 0
    lives: bool = False
    reported: bool = False
    flat: ParallaxReference | None = None
    flat_s: float = 0.0


class StillsCheck:
    """Watches the tracked faces of one camera.

    Args:
        mode: What is suspected.

    Attributes:
        in_view: Whether a face that was reported as a still is in view, or was some seconds ago.
    """

    def __init__(self, mode: Stills) -> None:
        self.in_view = False
        self._mode = mode
        self._watched: dict[int, _Watched] = {}

    def watch(self, image: Image, tracked: Sequence[TrackedFace]) -> frozenset[int]:
        """Look at the tracked faces of a frame.

        Args:
            image: The frame.
            tracked: Its faces, with their tracks.

        Returns:
            The tracks that may not get a pass yet.
        """
        if self._mode is Stills.OFF:
            return frozenset()
        held = set()
        for each in tracked:
            known = self._watched.get(each.track)
            if known is None:
                self._begin(image, each, [other.face.box for other in tracked])
                held.add(each.track)
                continue
            known.last_s = each.seen_s
            if not known.lives and not self._sees_life(known, image, each.face.box):
                held.add(each.track)
        if tracked:
            self._forget(tracked[0].seen_s)
        self.in_view = any(w.reported and not w.lives for w in self._watched.values())
        return frozenset(held)

    def newly_suspected(self, tracks: Collection[int]) -> list[int]:
        """Return those of the held tracks that are to be reported now; each is returned once."""
        found = []
        for track in tracks:
            known = self._watched.get(track)
            if known is None or known.reported:
                continue
            if known.last_s - known.first_s >= SUSPECT_AFTER_S:
                known.reported = True
                found.append(track)
        return found

    def _begin(self, image: Image, each: TrackedFace, boxes: Sequence[Box]) -> None:
        box = each.face.box
        height, width = image.shape[:2]
        room = Box(0, 0, width, height)
        self._watched[each.track] = _Watched(
            first_box=box,
            first_s=each.seen_s,
            last_s=each.seen_s,
            face=Reference(image, _grown(box)),
            room=Reference(image, room, _away_from(boxes, height, width)),
        )

    def _sees_life(self, known: _Watched, image: Image, box: Box) -> bool:
        wide = known.first_box.width
        (x, y), (first_x, first_y) = box.centre, known.first_box.centre
        if self._mode is Stills.FLAT:
            known.moved += self._sees_parallax(known, image, box)
            known.lives = known.moved >= PARALLAX_FRAMES
            return known.lives
        if np.hypot(x - first_x, y - first_y) > WALKED * wide:
            known.moved += 1
        else:
            movement = known.face.movement(image)
            movement[:2] -= known.room.movement(image)[:2]
            least = max(LEAST_PIXELS, LEAST_MOVEMENT * wide)
            if float(np.abs(movement).max()) > least:
                known.moved += 1
        known.lives = known.moved >= MOVED_FRAMES
        return known.lives

    @staticmethod
    def _sees_parallax(known: _Watched, image: Image, box: Box) -> bool:
        flat = known.flat
        if flat is not None and known.last_s - known.flat_s < REFERENCE_S:
            resized = max(box.width, flat.width) / max(1.0, min(box.width, flat.width))
            parallax = flat.parallax(image) if resized < RESIZED else None
            if parallax is not None:
                return parallax > LEAST_PARALLAX
        known.flat, known.flat_s = ParallaxReference(image, box), known.last_s
        return False

    def _forget(self, now_s: float) -> None:
        self._watched = {
            track: w for track, w in self._watched.items() if now_s - w.last_s < _FORGET_AFTER_S
        }


def _grown(box: Box) -> Box:
    """Return the box with the hairline and some of the surroundings."""
    across, down = 0.1 * box.width, 0.1 * box.height
    return Box(box.x0 - across, box.y0 - down, box.x1 + across, box.y1 + down)


def _away_from(boxes: Sequence[Box], height: int, width: int) -> Reals:
    """Return 1 for each part of a frame where nobody stands, f32 [40, 40].

    What stands there moves by itself. The room alone shows whether the camera moves.
    """
    weights = np.ones((_CELLS, _CELLS), np.float32)
    for box in boxes:
        x0 = (box.x0 - 1.2 * box.width) / width * _CELLS
        x1 = (box.x1 + 1.2 * box.width) / width * _CELLS
        y0 = (box.y0 - 0.7 * box.height) / height * _CELLS
        weights[max(0, int(y0)) :, max(0, int(x0)) : max(0, int(x1) + 1)] = 0
    return weights
