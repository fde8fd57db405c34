"""The camera of a sequence: light, sharpness, noise and compression of its frames."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.values import Image

WIDTH, HEIGHT = 640, 480


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

    def see(self, scene: Image, t: float) -> Image:
        """Return the frame that the camera sends of a scene at a time in seconds.

        The noise is of OpenCV's own source of chance (`cv2.setRNGSeed`).
        """
        seen = scene
        if self.blur:
            seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), self.blur), np.uint8)
        gain = self.light * (1 + self.flicker * float(np.sin(2 * np.pi * 1.7 * t)))
        tones = np.arange(256, dtype=np.float64) / 255
        curve = np.clip((tones * gain) ** self.gamma * 255, 0, 255).astype(np.uint8)
        seen = np.asarray(cv2.LUT(seen, curve), np.uint8)
        grain = np.empty(seen.shape, np.int16)
        cv2.randn(grain, np.zeros(3), np.full(3, self.noise))
        seen = np.asarray(cv2.add(seen, grain, dtype=cv2.CV_8U), np.uint8)
        _, coded = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def ordinary(rng: np.random.Generator) -> Camera:
    """Return a camera indoors on an ordinary day."""
    return Camera(
        light=float(rng.uniform(0.85, 1.1)),
        gamma=float(rng.uniform(0.9, 1.15)),
        noise=float(rng.uniform(1.5, 4.0)),
        quality=int(rng.integers(65, 92)),
    )
