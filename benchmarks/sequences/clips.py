"""Clips: people and pictures before a camera for some seconds, and what is to be said of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.sequences.camera import HEIGHT, WIDTH, Camera, Noise, decoded
from benchmarks.sequences.layers import Layer
from benchmarks.sequences.people import LABELS, Wear
from cloud.contract import Label
from edge.values import Box, Image

FPS = 30
"""Frames a second that are drawn. Lower rates are every second, third and sixth of them."""

RATES = (5, 10, 15, 30)
"""Frames a second that are judged."""

HIDDEN_SHARE = 0.5
"""Share of a face that is covered, from which nobody can say what it wears."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody, or a picture of somebody.

    Attributes:
        layer: How it is drawn.
        wears: (seconds, what is seen from then on), in the order of time.
        real: Whether it is a person; a picture of one must never get a pass.
        counts: Whether a verdict is to be given; not for who only passes, with the back turned.
    """

    layer: Layer
    wears: Sequence[tuple[float, Wear]]
    real: bool = True
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Face:
    """The truth of one face in one frame.

    Attributes:
        subject: Its place in the clip's subjects.
        box: In pixels.
        label: What it wears; None where nobody can see it.
    """

    subject: int
    box: Box
    label: Label | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a clip.

    Attributes:
        place: In the clip, FPS a second.
        jpeg: As the camera sends it.
        faces: That are in it.
    """

    place: int
    jpeg: bytes
    faces: list[Face]

    @property
    def image(self) -> Image:
        """The decoded picture, u8 [HEIGHT, WIDTH, 3]."""
        return decoded(self.jpeg)


@dataclass(frozen=True, slots=True)
class Clip:
    """Some seconds before a camera.

    Attributes:
        kind: Row of the table.
        variant: Tells the clips of one kind apart.
        seconds: How long it lasts.
        background: u8 [HEIGHT, WIDTH, 3].
        subjects: Who comes.
        camera: That looks.
        seed: Of the noise.
    """

    kind: str
    variant: str
    seconds: float
    background: Image
    subjects: Sequence[Subject]
    camera: Camera
    seed: int

    def frames(self, rates: Collection[int] = (FPS,)) -> Iterator[Frame]:
        """Draw the clip.

        Args:
            rates: Frames a second; what none of them needs is not drawn.

        Yields:
            Each frame, in the order of time.
        """
        noise = Noise(self.camera.noise, np.random.default_rng(self.seed))
        for n in range(round(self.seconds * FPS)):
            if all(n % (FPS // rate) for rate in rates):
                continue
            t = n / FPS
            scene = self.background.copy()
            faces = self._draw(scene, t)
            yield Frame(n, self.camera.see(scene, t, noise.next()), faces)

    def faces_at(self, t: float) -> list[Face]:
        """Return the faces in the frame at a time in seconds."""
        return self._draw(self.background.copy(), t)

    def _draw(self, scene: Image, t: float) -> list[Face]:
        order = sorted(range(len(self.subjects)), key=lambda i: self.subjects[i].layer.width_at(t))
        faces: list[Face] = []
        for i in order:
            shown, share = self.subjects[i].layer.draw(scene, t)
            if share is not None:
                faces = [_covered(face, share) for face in faces]
            if shown is not None:
                inside = _inside(shown.box)
                label = LABELS.get(shown.wear) if inside > HIDDEN_SHARE else None
                faces.append(Face(i, shown.box, label))
        return faces


def _covered(face: Face, share: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> Face:
    box = face.box
    part = share[max(0, int(box.y0)) : int(box.y1) + 1, max(0, int(box.x0)) : int(box.x1) + 1]
    if part.size and float(part.mean()) > HIDDEN_SHARE:
        return Face(face.subject, box, None)
    return face


def _inside(box: Box) -> float:
    """Return the share of a box that lies in the frame."""
    wide = max(0.0, min(box.x1, WIDTH) - max(box.x0, 0.0))
    high = max(0.0, min(box.y1, HEIGHT) - max(box.y0, 0.0))
    return wide * high / box.area if box.area else 0.0


def wear_at(wears: Sequence[tuple[float, Wear]], t: float) -> Wear:
    """Return what is seen of a face at a time."""
    return next(wear for since, wear in reversed(wears) if since <= t)
