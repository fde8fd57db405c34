"""The camera of a sequence: light, sharpness, noise and compression of its frames."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image

WIDTH, HEIGHT = 640, 480

_ROOM = 64
"""Pixels by which the noise is moved from frame to frame, at most."""

Grain = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Camera:
    """What a camera does to what is before it.

    Attributes:
        light: Factor of the light.
        gamma: Exponent of the tone curve.
        blur: Standard deviation of the lens's blur in pixels; 0 for a sharp one.
        noise: Standard deviation of the sensor's noise, of 255.
        quality: Of the JPEG pictures that it sends, 1…100.
        flicker: Share by which the lamps make the light go up and down.
    """

    light: float = 1.0
    gamma: float = 1.0
    blur: float = 0.0
    noise: float = 2.5
    quality: int = 80
    flicker: float = 0.01

    def see(self, scene: Image, t: float, noise: Grain) -> bytes:
        """Return the JPEG picture that the camera sends of a scene at a time in seconds.

        Args:
            scene: u8 [HEIGHT, WIDTH, 3].
            t: Seconds from the beginning.
            noise: One for each frame, as `grain` returns it.

        Returns:
            The picture; `decoded` reads it.
        """
        seen = scene
        if self.blur:
            seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), self.blur), np.uint8)
        gain = self.light * (1 + self.flicker * float(np.sin(2 * np.pi * 1.7 * t)))
        tones = np.arange(256, dtype=np.float64) / 255
        curve = np.clip((tones * gain) ** self.gamma * 255, 0, 255).astype(np.uint8)
        seen = np.asarray(cv2.LUT(seen, curve), np.uint8)
        seen = np.asarray(cv2.add(seen, noise, dtype=cv2.CV_8U), np.uint8)
        _, coded = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return coded.tobytes()


def decoded(jpeg: bytes) -> Image:
    """Return the picture that a camera has sent, u8 [HEIGHT, WIDTH, 3]."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


class Noise:
    """The noise of a sensor: windows of one large picture of noise, which is quick.

    Args:
        deviation: Standard deviation, of 255.
        rng: Source of chance.
    """

    def __init__(self, deviation: float, rng: np.random.Generator) -> None:
        self._rng = rng
        shape = (HEIGHT + _ROOM, WIDTH + _ROOM, 3)
        self._all = (rng.standard_normal(shape, np.float32) * deviation).round().astype(np.int16)

    def next(self) -> Grain:
        """Return the noise of one more frame, i16 [HEIGHT, WIDTH, 3]."""
        y, x = (int(v) for v in self._rng.integers(0, _ROOM, 2))
        return np.ascontiguousarray(self._all[y : y + HEIGHT, x : x + WIDTH])


def ordinary(rng: np.random.Generator) -> Camera:
    """Return a camera indoors on an ordinary day."""
    return Camera(
        light=float(rng.uniform(0.85, 1.1)),
        gamma=float(rng.uniform(0.9, 1.15)),
        noise=float(rng.uniform(1.5, 4.0)),
        quality=int(rng.integers(65, 92)),
    )
