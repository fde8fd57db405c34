"""People: a head and shoulders cut out of a picture, with what the person may wear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.contract import Label
from edge.values import Box, Image
from training.samples.synthetic_masks import draw_mask

Reals = NDArray[np.float32]
Points = NDArray[np.float32]

FACE_WIDTH = 112
"""Pixels of a face in a cut-out; no face in a sequence is much wider."""

WIDTH, HEIGHT = 400, 420
"""Pixels of a cut-out: a head, and shoulders of three and a half faces."""

FACE_CENTRE = (200.0, 150.0)
"""Where the middle of the face is in a cut-out, in pixels."""


class Wear(StrEnum):
    """What is seen of a face."""

    MASK = "mask"
    BARE = "bare"
    NOSE_OUT = "nose_out"
    BACK = "back"
    """The back of the head."""

    HAND = "hand"
    """A hand before the face."""


LABELS: Mapping[Wear, Label] = {
    Wear.MASK: Label.WITH_MASK,
    Wear.BARE: Label.WITHOUT_MASK,
    Wear.NOSE_OUT: Label.INCORRECT_MASK,
}
WEARS: Mapping[Label, Wear] = {label: wear for wear, label in LABELS.items()}


@dataclass(frozen=True, slots=True)
class Look:
    """A person in one state.

    Attributes:
        image: u8 [HEIGHT, WIDTH, 3] BGR.
        blinking: The same with closed eyes; `image` itself where the eyes are not known.
    """

    image: Image
    blinking: Image


@dataclass(frozen=True, slots=True)
class Person:
    """A person who may stand in front of the door.

    Attributes:
        name: Tells people apart.
        source: Where the picture is from.
        face: Box of the face in the cut-out.
        alpha: f32 [HEIGHT, WIDTH], the person's share of each pixel, 0…1.
        looks: What the person may wear; BACK and HAND are always there.
    """

    name: str
    source: str
    face: Box
    alpha: Reals
    looks: Mapping[Wear, Look]

    def can(self, *wears: Wear) -> bool:
        """Return whether there is a look for each of `wears`."""
        return all(wear in self.looks for wear in wears)


def cut_out(
    name: str,
    source: str,
    picture: Image,
    box: tuple[float, float, float, float],
    *,
    wear: Wear,
    points: Points | None,
    rng: np.random.Generator,
) -> Person:
    """Cut a person out of a picture, and draw the shoulders that the picture lacks.

    Args:
        name: Of the person.
        source: Of the picture.
        picture: u8 [H, W, 3] BGR.
        box: Of the face, x0 y0 x1 y1 in pixels.
        wear: What the person wears in the picture.
        points: The face's 68 landmarks in iBUG's order, f32 [68, 2], in pixels of the picture; None
            where they are not known. A bare face with landmarks may put on a mask.
        rng: Source of chance: clothing, masks.

    Returns:
        The person.
    """
    x0, y0, x1, y1 = box
    scale = FACE_WIDTH / (x1 - x0)
    shift = np.array(FACE_CENTRE) - np.array([(x0 + x1) / 2, (y0 + y1) / 2]) * scale
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    size = (WIDTH, HEIGHT)
    # A picture that is made much smaller is blurred first, so that it does not alias.
    sharp = picture if scale > 0.6 else cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    placed = np.asarray(cv2.warpAffine(sharp, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
    inside = np.asarray(
        cv2.warpAffine(np.ones(picture.shape[:2], np.float32), matrix, size), np.float32
    )
    half = np.array([x1 - x0, y1 - y0]) * scale / 2
    centre = np.array(FACE_CENTRE)
    face = Box(*(float(v) for v in (*(centre - half), *(centre + half))))
    head = _head(placed, inside, face)
    body, body_alpha = _body(placed, inside, face, rng)
    image = _over(body, placed, head)
    alpha = np.maximum(head, body_alpha)
    moved = None if points is None else (points * scale + shift).astype(np.float32)
    looks = {wear: _look(image, moved)}
    if wear is Wear.BARE and moved is not None:
        for worn, placement in ((Wear.MASK, "right"), (Wear.NOSE_OUT, "below_nose")):
            masked = image.copy()
            draw_mask(masked, moved, placement, [], rng)
            looks[worn] = _look(masked, moved)
    looks[Wear.BACK] = _back(image, face, rng)
    looks[Wear.HAND] = _hand(image, face, rng)
    return Person(name, source, face, alpha, looks)


def _over(under: Image, over: Image, share: Reals) -> Image:
    part = share[..., None]
    return np.asarray(under * (1 - part) + over * part, np.uint8)


def _head(placed: Image, inside: Reals, face: Box) -> Reals:
    """Return the share of head, hair and neck in each pixel: GrabCut between two ellipses."""
    small = 0.25
    tiny = cv2.resize(placed, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
    trimap: Image = np.full(tiny.shape[:2], cv2.GC_BGD, np.uint8)
    middle = np.array(face.centre) * small
    half = np.array([face.width, face.height]) / 2 * small

    def oval(rise: float, across: float, down: float, value: int) -> None:
        place = (int(middle[0]), int(middle[1] - rise * half[1]))
        axes = (int(half[0] * across), int(half[1] * down))
        cv2.ellipse(trimap, place, axes, 0, 0, 360, value, -1)

    oval(0.15, 1.8, 1.8, cv2.GC_PR_BGD)
    oval(0.15, 1.35, 1.4, cv2.GC_PR_FGD)
    oval(0.0, 0.9, 0.95, cv2.GC_FGD)
    trimap[cv2.resize(inside, trimap.shape[::-1]) < 0.5] = cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # GrabCut: Rother, Kolmogorov, Blake, SIGGRAPH 2004.
    cv2.grabCut(tiny, trimap, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
    found = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    share = cv2.resize(closed.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(cv2.GaussianBlur(share, (0, 0), 2.0), 0, 1) * inside, np.float32)


def _body(placed: Image, inside: Reals, face: Box, rng: np.random.Generator) -> tuple[Image, Reals]:
    """Draw neck and shoulders. Returns their picture and their share of each pixel."""
    x, chin, wide = face.centre[0], face.y1, face.width
    spot = (slice(int(chin + 0.55 * wide), int(chin + 0.9 * wide)), slice(int(x) - 40, int(x) + 40))
    seen = placed[spot][inside[spot] > 0.9]
    cloth = np.median(seen, axis=0) if len(seen) > 400 else rng.uniform(15, 220, 3)
    cheeks = placed[int(face.y0 + 0.3 * face.height) : int(face.y0 + 0.45 * face.height)]
    skin = np.median(cheeks[:, int(face.x0) + 15 : int(face.x1) - 15].reshape(-1, 3), axis=0)
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture = np.empty((HEIGHT, WIDTH, 3), np.float32)
    picture[:] = cloth
    folds = cv2.resize(
        rng.normal(0, 10, (9, 7)).astype(np.float32),
        (WIDTH, HEIGHT),
        interpolation=cv2.INTER_CUBIC,
    )
    picture += folds[..., None]
    neck = np.array([[-0.3, -0.25], [0.3, -0.25], [0.36, 0.5], [-0.36, 0.5]]) * wide + (x, chin)
    reach = float(rng.uniform(1.15, 1.45))
    outline = [(-0.38, 0.22), (0.38, 0.22), (reach * 0.8, 0.5), (reach, 0.9), (reach * 1.05, 4)]
    outline += [(-reach * 1.05, 4), (-reach, 0.9), (-reach * 0.8, 0.5)]
    shoulders = np.array(outline) * wide + (x, chin)
    cv2.fillPoly(alpha, [shoulders.astype(np.int32)], 255, cv2.LINE_AA)
    cv2.fillPoly(alpha, [neck.astype(np.int32)], 255, cv2.LINE_AA)
    collar = np.array([[-0.3, -0.25], [0.3, -0.25], [0.32, 0.2], [0.0, 0.45], [-0.32, 0.2]])
    cv2.fillPoly(
        picture,
        [(collar * wide + (x, chin)).astype(np.int32)],
        tuple(float(v) * 0.85 for v in skin),
        cv2.LINE_AA,
    )
    share = cv2.GaussianBlur(alpha, (0, 0), 1.2).astype(np.float32) / 255
    return np.asarray(np.clip(picture, 0, 255), np.uint8), np.asarray(share, np.float32)


def _look(image: Image, points: Points | None) -> Look:
    return Look(image, image if points is None else _closed_eyes(image, points))


def _closed_eyes(image: Image, points: Points) -> Image:
    """Draw the lids over both eyes, in the colour of the skin below the brows."""
    closed = image.copy()
    for eye, brow in ((points[36:42], points[17:22]), (points[42:48], points[22:27])):
        middle = (eye.mean(0) + brow.mean(0)) / 2
        x, y = (int(v) for v in middle)
        lid = np.median(closed[y - 1 : y + 2, x - 4 : x + 5].reshape(-1, 3), axis=0)
        across = float(np.linalg.norm(eye[3] - eye[0]))
        centre = tuple(int(v) for v in eye.mean(0))
        axes = (max(2, int(across * 0.6)), max(2, int(across * 0.32)))
        colour = tuple(float(v) for v in lid)
        cv2.ellipse(closed, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
        lash = tuple(float(v) * 0.45 for v in lid)
        cv2.ellipse(closed, centre, axes, 0, 20, 160, lash, 1, cv2.LINE_AA)
    return closed


def _back(image: Image, face: Box, rng: np.random.Generator) -> Look:
    """Draw hair over the face."""
    x, y = (int(v) for v in face.centre)
    top = image[int(face.y0 - 0.15 * face.height) : int(face.y0), x - 15 : x + 15]
    hair = np.median(top.reshape(-1, 3), axis=0) if top.size else np.array([30.0, 35.0, 45.0])
    strands = np.empty((HEIGHT, WIDTH, 3), np.float32)
    strands[:] = hair * 0.8
    streaks = cv2.resize(
        rng.normal(0, 9, (12, 80)).astype(np.float32),
        (WIDTH, HEIGHT),
        interpolation=cv2.INTER_CUBIC,
    )
    strands += streaks[..., None]
    cover = np.zeros((HEIGHT, WIDTH), np.uint8)
    axes = (int(face.width * 0.66), int(face.height * 0.68))
    cv2.ellipse(cover, (x, int(y - 0.05 * face.height)), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    share = np.asarray(cv2.GaussianBlur(cover, (0, 0), 2.0) / np.float32(255), np.float32)
    turned = _over(image, np.asarray(np.clip(strands, 0, 255), np.uint8), share)
    return Look(turned, turned)


def _hand(image: Image, face: Box, rng: np.random.Generator) -> Look:
    """Draw a hand that covers the face from the brows down."""
    x, y, wide = face.centre[0], face.centre[1], face.width
    cheeks = image[int(y) - 8 : int(y) + 8, int(x) - 30 : int(x) + 30].reshape(-1, 3)
    colour = tuple(float(v) for v in np.clip(np.median(cheeks, axis=0) * 0.9, 0, 255))
    covered = image.copy()
    tilt = float(rng.uniform(-0.15, 0.15))
    edge = tuple(v * 0.6 for v in colour)
    palm = (int(x), int(y + 0.25 * wide)), (int(wide * 0.62), int(wide * 0.55))
    cv2.ellipse(covered, *palm, 0, 0, 360, colour, -1, cv2.LINE_AA)
    for finger in range(4):
        foot = np.array([x + (finger - 1.5) * wide * 0.3, y + 0.1 * wide])
        tip = foot + np.array([tilt, -0.75]) * wide
        ends = tuple(int(v) for v in foot), tuple(int(v) for v in tip)
        cv2.line(covered, *ends, edge, int(wide * 0.32), cv2.LINE_AA)
        cv2.line(covered, *ends, colour, int(wide * 0.28), cv2.LINE_AA)
    return Look(covered, covered)


def mean_landmarks(box: Sequence[float]) -> Points:
    """Return 68 landmarks of an upright frontal face that fills a box.

    The points are read off a drawn face: a jaw that is half an ellipse, brows, nose, eyes and mouth
    at the usual heights. They serve to draw a mask or closed eyes, not to measure a face.

    Args:
        box: Of the face, hairline to chin, x0 y0 x1 y1 in pixels.

    Returns:
        f32 [68, 2] in iBUG's order.
    """
    turn = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.48 * np.cos(turn), 0.42 + 0.58 * np.sin(turn)], 1)
    brow = np.array([[0.14, 0.33], [0.2, 0.29], [0.28, 0.28], [0.36, 0.29], [0.43, 0.31]])
    nose = [[0.5, 0.4], [0.5, 0.47], [0.5, 0.54], [0.5, 0.61]]
    nose += [[0.42, 0.66], [0.46, 0.67], [0.5, 0.68], [0.54, 0.67], [0.58, 0.66]]
    eye = np.array(
        [[0.2, 0.41], [0.25, 0.38], [0.32, 0.38], [0.38, 0.41], [0.32, 0.43], [0.25, 0.43]]
    )
    other_eye = ((1, 0) + eye * (-1, 1))[[3, 2, 1, 0, 5, 4]]
    round_the_mouth = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    lips = np.stack([0.5 + 0.18 * np.cos(round_the_mouth), 0.8 - 0.05 * np.sin(round_the_mouth)], 1)
    between = np.linspace(np.pi, -np.pi, 8, endpoint=False)
    mouth = np.stack([0.5 + 0.13 * np.cos(between), 0.8 - 0.02 * np.sin(between)], 1)
    other_brow = ((1, 0) + brow * (-1, 1))[::-1]
    points = np.concatenate([jaw, brow, other_brow, nose, eye, other_eye, lips, mouth])
    x0, y0, x1, y1 = box
    return np.asarray(points * (x1 - x0, y1 - y0) + (x0, y0), np.float32)
