"""Layers: what is drawn into a frame, one over the other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import cv2
import numpy as np

from benchmarks.sequences.motion import LivingHead, Path, Placement, Pose, SteadyHand
from benchmarks.sequences.people import (
    FACE_CENTRE,
    FACE_WIDTH,
    HEIGHT,
    WIDTH,
    Person,
    Reals,
    Wear,
)
from edge.values import Box, Image

_COARSE = 8
"""A frame's map of movement is made for every eighth pixel; between them it is smooth."""

SHUTTER_S = 1 / 80
"""A camera's exposure indoors: what moves is smeared over the way that it goes in this time."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A face in a frame.

    Attributes:
        box: In pixels.
        wear: What is seen of it.
    """

    box: Box
    wear: Wear


class Layer(Protocol):
    """Something in front of the camera."""

    def width_at(self, t: float) -> float:
        """Return the width of its face in pixels, 0 while it is not there; the nearer is larger."""

    def draw(self, frame: Image, t: float) -> tuple[Shown | None, Reals | None]:
        """Draw over a frame, in place.

        Args:
            frame: u8 [H, W, 3].
            t: Seconds from the beginning.

        Returns:
            The face, and the layer's share of each pixel, f32 [H, W]; None where there is none.
        """


def _paste(frame: Image, layer: Image, share: Reals, x0: int, y0: int) -> Reals:
    """Blend a layer into a frame, in place. Returns its share of each pixel of the frame."""
    high, wide = share.shape
    spot = frame[y0 : y0 + high, x0 : x0 + wide]
    part = cv2.merge([share, share, share])
    blended = cv2.add(cv2.multiply(layer, part, dtype=5), cv2.multiply(spot, 1 - part, dtype=5))
    spot[:] = np.asarray(blended, np.uint8)
    whole = np.zeros(frame.shape[:2], np.float32)
    whole[y0 : y0 + high, x0 : x0 + wide] = share
    return whole


@dataclass(slots=True)
class PersonLayer:
    """A living person.

    Attributes:
        person: Who it is.
        path: Where the face is.
        wear: What is seen of the face, by the time in seconds.
        head: Its small movements.
    """

    person: Person
    path: Path
    wear: Callable[[float], Wear]
    head: LivingHead
    _small: dict[tuple[Wear, bool], tuple[Image, Reals]] = field(default_factory=dict)

    def width_at(self, t: float) -> float:
        """Return the width of the face in pixels; 0 while the person is not there."""
        place = self.path(t)
        return 0.0 if place is None else place.width

    def draw(self, frame: Image, t: float) -> tuple[Shown | None, Reals | None]:
        """Draw the person over a frame, in place."""
        place = self.path(t)
        if place is None:
            return None, None
        pose = self.head.pose(t)
        x = place.x + pose.dx * place.width
        y = place.y + pose.dy * place.width
        scale = place.width * pose.grow / FACE_WIDTH
        high, wide = frame.shape[:2]
        x0, y0 = max(0, int(x - FACE_CENTRE[0] * scale)), max(0, int(y - FACE_CENTRE[1] * scale))
        x1 = min(wide, int(x + (WIDTH - FACE_CENTRE[0]) * scale))
        # The picture of the body ends; the body goes on to the edge of the frame.
        y1 = high
        if x1 - x0 < 8 or y1 - y0 < 8:
            return None, None
        wear = self.wear(t)
        image, alpha, shrunk = self._cut_out(wear, pose.eyes_closed, scale)
        map_x, map_y = _map(pose, scale, (x, y), (x0, y0, x1, y1), self.person.face)
        drawn = cv2.remap(
            image, map_x * shrunk, map_y * shrunk, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        share = cv2.remap(
            alpha, map_x * shrunk, map_y * shrunk, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        smear = self._smear(t, place)
        if smear > 1:
            drawn, share = cv2.blur(drawn, (smear, 1)), cv2.blur(share, (smear, 1))
        whole = _paste(frame, np.asarray(drawn, np.uint8), np.asarray(share, np.float32), x0, y0)
        face = self.person.face
        half = np.array([face.width, face.height]) / 2 * scale
        box = Box(x - half[0], y - half[1], x + half[0], y + half[1])
        return Shown(box, wear), whole

    def _smear(self, t: float, place: Placement) -> int:
        before = self.path(t - 0.02)
        if before is None:
            return 1
        return round(abs(place.x - before.x) / 0.02 * SHUTTER_S)

    def _cut_out(self, wear: Wear, eyes_closed: bool, scale: float) -> tuple[Image, Reals, float]:
        """Return picture, share and scale of the cut-out: the half, where much would be skipped."""
        look = self.person.looks[wear]
        image = look.blinking if eyes_closed else look.image
        if scale > 0.6:
            return image, self.person.alpha, 1.0
        key = (wear, eyes_closed)
        if key not in self._small:
            size = (WIDTH // 2, HEIGHT // 2)
            self._small[key] = (
                np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8),
                np.asarray(
                    cv2.resize(self.person.alpha, size, interpolation=cv2.INTER_AREA), np.float32
                ),
            )
        return *self._small[key], 0.5


def _map(
    pose: Pose,
    scale: float,
    middle: tuple[float, float],
    spot: tuple[int, int, int, int],
    face: Box,
) -> tuple[Reals, Reals]:
    """Return where each pixel of a spot of the frame is in the cut-out, two f32 [h, w]."""
    x0, y0, x1, y1 = spot
    columns, rows = (x1 - x0) // _COARSE + 3, (y1 - y0) // _COARSE + 3
    ys, xs = np.mgrid[0:rows, 0:columns].astype(np.float32)
    # cv2.resize puts the first coarse value at pixel 3.5; one more lies outside on each side.
    across = (xs - 0.5) * _COARSE - 0.5 + x0 - middle[0]
    down = (ys - 0.5) * _COARSE - 0.5 + y0 - middle[1]
    roll = np.float32(np.radians(pose.roll))
    cosine, sine = np.cos(roll), np.sin(roll)
    source_x = (across * cosine + down * sine) / scale + FACE_CENTRE[0]
    source_y = (-across * sine + down * cosine) / scale + FACE_CENTRE[1]
    u = (source_x - face.centre[0]) / (face.width * 0.7)
    v = (source_y - face.centre[1]) / (face.height * 0.7)
    # The nose is nearer to the camera than the ears, and the shoulders do not turn with the head.
    bulge = np.clip(1 - u * u, 0, 1) * np.clip(1 - np.clip(v, 0, 2) ** 2 * 0.5, 0, 1)
    source_x -= pose.yaw * face.width * bulge
    source_y -= pose.nod * face.width * bulge
    chin = np.clip(1 - u * u, 0, 1) * np.exp(-(((v - 0.45) / 0.25) ** 2))
    source_y -= pose.jaw * face.width * chin
    size = (columns * _COARSE, rows * _COARSE)
    inner = (slice(_COARSE, _COARSE + y1 - y0), slice(_COARSE, _COARSE + x1 - x0))
    fine_x, fine_y = (
        np.ascontiguousarray(cv2.resize(m, size, interpolation=cv2.INTER_LINEAR)[inner])
        for m in (source_x, source_y)
    )
    return np.asarray(fine_x, np.float32), np.asarray(fine_y, np.float32)


class Carrier(StrEnum):
    """What shows a picture of a person."""

    POSTER = "poster"
    PRINT = "print"
    PHONE = "phone"


class FlatLayer:
    """A picture of a person: it moves as a whole, and nothing moves in it.

    Args:
        carrier: What shows it.
        person: Who is on it.
        wear: What the person wears on it.
        behind: What is behind the person on it, a picture of any size.
        path: Where the face on it is.
        hand: How it moves.
        rng: Source of chance.
    """

    def __init__(
        self,
        *,
        carrier: Carrier,
        person: Person,
        wear: Wear,
        behind: Image,
        path: Path,
        hand: SteadyHand,
        rng: np.random.Generator,
    ) -> None:
        self._path, self._hand, self._wear = path, hand, wear
        self._plate, self._face = _plate(carrier, person, wear, behind, rng)
        self._moire = _moire(rng) if carrier is Carrier.PHONE else None

    def width_at(self, t: float) -> float:
        """Return the width of the face in pixels; 0 while the picture is not there."""
        place = self._path(t)
        return 0.0 if place is None else place.width

    def draw(self, frame: Image, t: float) -> tuple[Shown | None, Reals | None]:
        """Draw the picture over a frame, in place."""
        place = self._path(t)
        if place is None:
            return None, None
        high, wide = self._plate.shape[:2]
        scale = place.width / self._face.width
        unit = self._hand.corners(t)
        middle = (
            np.array([place.x, place.y])
            - (np.array(self._face.centre) - np.array([wide, high]) / 2) * scale
        )
        corners = unit * np.array([wide, high]) * scale + middle
        source = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
        size = (frame.shape[1], frame.shape[0])
        drawn = cv2.warpPerspective(self._plate, matrix, size, flags=cv2.INTER_LINEAR)
        share = cv2.warpPerspective(np.ones((high, wide), np.float32), matrix, size)
        if self._moire is not None:
            drawn = self._with_moire(np.asarray(drawn, np.uint8), corners)
        whole = _paste(frame, np.asarray(drawn, np.uint8), np.asarray(share, np.float32), 0, 0)
        edges = np.array([[self._face.x0, self._face.y0], [self._face.x1, self._face.y1]])
        (x0, y0), (x1, y1) = cv2.perspectiveTransform(edges[None], matrix)[0]
        return Shown(Box(float(x0), float(y0), float(x1), float(y1)), self._wear), whole

    def _with_moire(self, drawn: Image, corners: Reals) -> Image:
        """Add what the grid of a screen does on the grid of a sensor; it moves faster than both."""
        assert self._moire is not None  # noqa: S101 (only a phone comes here)
        shift = (corners[0] * 9.0).astype(int)
        pattern = np.roll(self._moire, (int(shift[1]), int(shift[0])), axis=(0, 1))
        rows = pattern[: drawn.shape[0], : drawn.shape[1], None]
        return np.asarray(np.clip(drawn * rows, 0, 255), np.uint8)


def _plate(
    carrier: Carrier, person: Person, wear: Wear, behind: Image, rng: np.random.Generator
) -> tuple[Image, Box]:
    """Return the flat picture, and the box of the face in it."""
    room = cv2.resize(behind, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    part = person.alpha[..., None]
    scene = room * (1 - part) + person.looks[wear].image * part
    left = int(WIDTH / 2 - 1.3 * FACE_WIDTH)
    shown = scene[: int(HEIGHT * 0.86), left : WIDTH - left]
    if carrier is Carrier.PHONE:
        shown = shown * np.array([1.1, 1.0, 0.95]) + 12
        border, colour = 10, (18.0, 18.0, 18.0)
    else:
        # Paper has less contrast than a person, and a light of its own from one side.
        glare = np.linspace(rng.uniform(0, 25), rng.uniform(0, 25), shown.shape[1])
        shown = shown * 0.88 + 18 + glare[None, :, None]
        border, colour = (14, (238.0, 240.0, 242.0))
    clipped = np.asarray(np.clip(shown, 0, 255), np.uint8)
    plate = cv2.copyMakeBorder(
        clipped, border, border, border, border, cv2.BORDER_CONSTANT, value=colour
    )
    face = person.face
    dx, dy = border - left, border
    box = Box(face.x0 + dx, face.y0 + dy, face.x1 + dx, face.y1 + dy)
    return np.asarray(plate, np.uint8), box


def _moire(rng: np.random.Generator) -> Reals:
    """Return a factor for each pixel of a frame and some more, near 1, f32 [720, 960]."""
    ys, xs = np.mgrid[0:720, 0:960].astype(np.float32)
    angle, period = float(rng.uniform(0, np.pi)), float(rng.uniform(3.0, 9.0))
    wave = np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * 2 * np.pi / period)
    return np.asarray(1 + float(rng.uniform(0.02, 0.06)) * wave, np.float32)
