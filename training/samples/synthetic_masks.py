"""Synthetic masks: masks and other things that are drawn on bare faces.

A mask is worn rightly, below the nose or on the chin; hands, cups and phones are no masks. Masks
are photographs (the templates of MaskTheFace, laid over six points of the face by a homography,
after Anwar and Raychowdhury, "Masked Face Recognition for Secure Authentication", 2020) or
polygons along the jaw.
"""

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.records.pictures import Pixels

Points = NDArray[np.float32]

PLACEMENTS = ("right", "below_nose", "on_chin")

# The landmarks (iBUG-68) for a mask's six anchors a…f: upper left, upper middle, upper right, lower
# left, chin, lower right.
_ANCHORS = {
    "right": (1, 28, 15, 5, 8, 11),
    "below_nose": (3, 33, 13, 5, 8, 11),
    "on_chin": (4, 57, 12, 6, 8, 10),
}


@dataclass(frozen=True, slots=True)
class Template:
    """A photographed mask.

    Attributes:
        name: Its name; it ends in `_left` or `_right` if its wearer looks there.
        picture: u8 [H, W, 4] BGRA.
        anchors: Its six anchor points in pixels, f32 [6, 2].
    """

    name: str
    picture: Pixels
    anchors: Points


def read_templates(folder: Path) -> list[Template]:
    """Return the templates of masks.cfg whose picture exists; none if there is no masks.cfg."""
    if not (folder / "masks.cfg").is_file():
        return []
    config = configparser.ConfigParser()
    config.read(folder / "masks.cfg")
    templates = []
    for name in config.sections():
        keys = [f"mask_{k}" for k in "abcdef"]
        file = folder / f"{name}.png"
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None
        if (
            picture is None
            or picture.shape[2] != 4
            or name.startswith("gas")
            or not all(k in config[name] for k in keys)
        ):
            continue
        anchors = np.array(
            [[float(v) for v in config[name][k].split(",")] for k in keys], np.float32
        )
        # No face in a sample is larger than 200 pixels, and a small template is warped faster.
        scale = 200 / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        templates.append(Template(name, np.asarray(small, np.uint8), anchors * np.float32(scale)))
    return templates


def five_points(shape: Points) -> Points:
    """Return eyes, nose tip and mouth corners [5, 2] of 68 landmarks, in a record's order."""
    return np.stack(
        [shape[36:42].mean(0), shape[42:48].mean(0), shape[30], shape[48], shape[54]]
    ).astype(np.float32)


def mean_shape(shapes: list[Points]) -> Points:
    """Return the mean of faces of 68 landmarks, each scaled to an eye distance of one, [68, 2]."""
    aligned = []
    for shape in shapes:
        five = five_points(shape)
        distance = float(np.linalg.norm(five[1] - five[0]))
        if distance > 1:
            aligned.append((shape - five[2]) / distance)
    return np.asarray(np.mean(aligned, 0), np.float32)


def complete_points(points: Points, mean: Points) -> Points:
    """Return 68 landmarks for a face.

    Args:
        points: 68 landmarks, which stay as they are, or five.
        mean: Mean face of 68 landmarks.

    Returns:
        For five landmarks, the mean face under the affine map that fits them best (least squares).
    """
    if len(points) == 68:
        return points
    source = np.hstack([five_points(mean), np.ones((5, 1), np.float32)])
    solution, *_ = np.linalg.lstsq(source, points, rcond=None)
    return np.asarray(np.hstack([mean, np.ones((68, 1), np.float32)]) @ solution, np.float32)


def _blend(picture: Pixels, layer: NDArray[Any], alpha: NDArray[Any], x0: int, y0: int) -> None:
    """Lay `layer` [h, w, 3] over a picture, in place, with the opacity `alpha` [h, w], 0…1."""
    region = picture[y0 : y0 + layer.shape[0], x0 : x0 + layer.shape[1]]
    region[:] = (region * (1 - alpha[..., None]) + layer * alpha[..., None]).astype(np.uint8)


def _bounds(points: Points, picture: Pixels, room: float) -> tuple[int, int, int, int] | None:
    low, high = points.min(0), points.max(0)
    grow = (high - low).max() * room
    x0, y0 = np.maximum(low - grow, 0).astype(int)
    x1, y1 = np.minimum(high + grow, (picture.shape[1], picture.shape[0])).astype(int)
    return None if x1 - x0 < 4 or y1 - y0 < 4 else (int(x0), int(y0), int(x1), int(y1))


def _shade(picture: Pixels, bounds: tuple[int, int, int, int]) -> float:
    """Return the brightness of a face, as a factor for what is laid over it."""
    x0, y0, x1, y1 = bounds
    return float(np.clip(picture[y0:y1, x0:x1].mean() / 128, 0.35, 1.25))


def _colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """A mask's colour, BGR: surgical blues and greens, white, black, grey, or anything."""
    kind = rng.random()
    if kind < 0.4:
        base = np.array(
            [[225, 200, 150], [235, 215, 180], [205, 175, 115], [200, 205, 150], [190, 140, 90]][
                rng.integers(5)
            ],
            np.float32,
        )
    elif kind < 0.6:
        base = np.full(3, rng.uniform(205, 250), np.float32)
    elif kind < 0.78:
        base = np.full(3, rng.uniform(15, 70), np.float32)
    else:
        base = rng.uniform(20, 240, 3).astype(np.float32)
    return np.clip(base + rng.normal(0, 8, 3), 0, 255).astype(np.float32)


def _polygon_mask(picture: Pixels, shape: Points, placement: str, rng: np.random.Generator) -> None:
    a, b, c, d, e, f = (shape[i] for i in _ANCHORS[placement])
    up = shape[27] - shape[8]
    drop = e - up * rng.uniform(0.0, 0.08)
    if placement == "right":
        b = b + (shape[30] - shape[27]) * rng.uniform(-0.1, 0.45)
    side = rng.uniform(0, 0.3)
    a, c = a + (b - a) * side * 0.5, c + (b - c) * side * 0.5
    outline = np.stack(
        [
            a,
            a * 0.5 + b * 0.5 + up * 0.03,
            b,
            c * 0.5 + b * 0.5 + up * 0.03,
            c,
            f,
            (f + drop) / 2 - up * 0.02,
            drop,
            (d + drop) / 2 - up * 0.02,
            d,
        ]
    ).astype(np.float32)
    bounds = _bounds(outline, picture, 0.05)
    if bounds is None:
        return
    x0, y0, x1, y1 = bounds
    local = outline - (x0, y0)
    alpha = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(alpha, [np.round(local * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    height, width = alpha.shape
    colour = _colour(rng) * _shade(picture, bounds)
    layer = np.empty((height, width, 3), np.float32)
    layer[:] = colour
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.6:  # pleats
        period = height / rng.uniform(3, 6)
        layer *= (
            1
            - rng.uniform(0.03, 0.22) * (np.sin(ys / period * 2 * np.pi + rng.uniform(0, 6)) > 0.6)
        )[..., None]
    if rng.random() < 0.25:  # cloth with a pattern
        k = rng.uniform(1.5, 8)
        pattern = np.sin(xs / width * 6.3 * k + rng.uniform(0, 6)) * np.sin(ys / height * 6.3 * k)
        layer = np.where(
            (pattern > rng.uniform(-0.2, 0.5))[..., None],
            layer,
            rng.uniform(10, 240, 3).astype(np.float32),
        )
    if rng.random() < 0.75:  # light from a side, and rounder towards the edges
        layer *= (
            1
            + rng.uniform(-0.35, 0.35) * (xs / width - 0.5)
            + rng.uniform(-0.3, 0.15) * (ys / height - 0.5)
        )[..., None]
        layer *= (1 - rng.uniform(0, 0.5) * (xs / width - 0.5) ** 2)[..., None]
    if rng.random() < 0.4:
        layer += rng.normal(0, rng.uniform(2, 9), layer.shape).astype(np.float32)
    if placement != "on_chin" and rng.random() < 0.5:  # ear loops
        thickness = max(1, round(width * 0.012))
        for end, ear in ((a, shape[0]), (c, shape[16])):
            cv2.line(
                picture,
                tuple(int(v) for v in end),
                tuple(int(v) for v in ear),
                tuple(float(v) for v in colour),
                thickness,
                cv2.LINE_AA,
            )
    _blend(
        picture,
        np.clip(layer, 0, 255),
        alpha.astype(np.float32) / 255 * rng.uniform(0.93, 1.0),
        x0,
        y0,
    )


def _template_mask(
    picture: Pixels,
    shape: Points,
    placement: str,
    templates: list[Template],
    rng: np.random.Generator,
) -> None:
    # The face looks to the side on which the nose tip is off the middle of the jaw.
    turn = (shape[30, 0] - (shape[1, 0] + shape[15, 0]) / 2) / max(
        1.0, float(shape[15, 0] - shape[1, 0])
    )
    suffix = "_left" if turn < -0.13 else "_right" if turn > 0.13 else ""
    fitting = [
        t
        for t in templates
        if (t.name.endswith(suffix) if suffix else not t.name.endswith(("_left", "_right")))
    ]
    if not fitting:
        return
    template = fitting[int(rng.integers(len(fitting)))]
    target = np.stack([shape[i] for i in _ANCHORS[placement]]).astype(np.float32)
    width = float(np.linalg.norm(target[2] - target[0]))
    target += rng.normal(0, 0.02 * width, target.shape).astype(np.float32)
    target[4] += (shape[8] - shape[27]) * rng.uniform(0, 0.1)
    if placement == "right":
        target[1] += (shape[30] - shape[27]) * rng.uniform(-0.1, 0.4)
    bounds = _bounds(target, picture, 0.2)
    if bounds is None:
        return
    x0, y0, x1, y1 = bounds
    matrix, _ = cv2.findHomography(template.anchors, target - (x0, y0))
    if matrix is None:
        return
    warped = cv2.warpPerspective(
        template.picture, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR
    ).astype(np.float32)
    layer = warped[..., :3]
    if rng.random() < 0.5:
        layer = layer * rng.uniform(0.35, 1.1, 3).astype(np.float32)
    _blend(picture, np.clip(layer * _shade(picture, bounds), 0, 255), warped[..., 3] / 255, x0, y0)


def draw_mask(
    picture: Pixels,
    shape: Points,
    placement: str,
    templates: list[Template],
    rng: np.random.Generator,
) -> None:
    """Draw a mask on a face, in place.

    Args:
        picture: u8 [H, W, 3] BGR.
        shape: The face's 68 landmarks in pixels.
        placement: One of PLACEMENTS.
        templates: Photographed masks; half of the masks are one of these.
        rng: Source of chance.
    """
    if templates and rng.random() < 0.5:
        _template_mask(picture, shape, placement, templates, rng)
    else:
        _polygon_mask(picture, shape, placement, rng)


def draw_occlusion(
    picture: Pixels, shape: Points, texture: Pixels | None, rng: np.random.Generator
) -> None:
    """Draw something that is no mask before the mouth, in place.

    Args:
        picture: u8 [H, W, 3] BGR.
        shape: The face's 68 landmarks in pixels.
        texture: What a phone, a cup or a paper shows, u8 [h, w, 3]; None for one colour.
        rng: Source of chance.
    """
    bounds = _bounds(shape[48:68], picture, 1.2)
    if bounds is None:
        return
    x0, y0, x1, y1 = bounds
    width, height = x1 - x0, y1 - y0
    face = float(np.linalg.norm(shape[16] - shape[0]))
    alpha = np.zeros((height, width), np.uint8)
    layer = np.empty((height, width, 3), np.float32)
    kind = rng.random()
    mouth = shape[57] - (x0, y0) + rng.normal(0, 0.06 * face, 2)
    if kind < 0.45:  # a hand: skin-coloured fingers from a side
        skin = picture[
            tuple(
                np.clip(
                    shape[2 + int(rng.integers(3)), ::-1].astype(int),
                    0,
                    np.array(picture.shape[:2]) - 1,
                )
            )
        ].astype(np.float32)
        layer[:] = np.clip(skin * rng.uniform(0.75, 1.2), 0, 255)
        angle = rng.uniform(-0.5, 0.5) + (np.pi if rng.random() < 0.5 else 0)
        away = np.array([np.cos(angle), np.sin(angle)])
        for finger in range(int(rng.integers(1, 5))):
            tip = mouth + np.array([-away[1], away[0]]) * (finger - 1.5) * face * 0.13
            thickness = max(2, int(face * rng.uniform(0.1, 0.15)))
            cv2.line(
                alpha,
                tuple(int(v) for v in tip),
                tuple(int(v) for v in tip + away * face),
                255,
                thickness,
                cv2.LINE_AA,
            )
        layer -= (cv2.Canny(alpha, 50, 150) > 0)[..., None] * 30.0
    elif kind < 0.7:  # a dark round thing: microphone, cup from the front
        layer[:] = rng.uniform(10, 110)
        cv2.circle(
            alpha,
            tuple(int(v) for v in mouth + np.array([0, 0.1 * face])),
            max(2, int(face * rng.uniform(0.1, 0.22))),
            255,
            -1,
            cv2.LINE_AA,
        )
        end = mouth + np.array([rng.uniform(-0.5, 0.5), 1.0]) * face
        cv2.line(
            alpha,
            tuple(int(v) for v in mouth),
            tuple(int(v) for v in end),
            255,
            max(2, int(face * 0.1)),
            cv2.LINE_AA,
        )
    else:  # a slab with a texture: phone, cup, paper
        layer[:] = rng.uniform(0, 255, 3)
        if texture is not None:
            layer = cv2.resize(texture, (width, height)).astype(np.float32)
        size = (float(face * rng.uniform(0.18, 0.38)), float(face * rng.uniform(0.35, 0.7)))
        corners = cv2.boxPoints(
            ((float(mouth[0]), float(mouth[1])), size, float(rng.uniform(-40, 40)))
        )
        cv2.fillPoly(alpha, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    _blend(picture, np.clip(layer, 0, 255), alpha.astype(np.float32) / 255, x0, y0)
