"""Augmentation: faults that a camera adds to a picture.

All classes get the same faults, so that no label can be told from the quality of its source.
"""

import cv2
import numpy as np

from training.records.pictures import Pixels


def degrade(picture: Pixels, rng: np.random.Generator, strength: float = 1.0) -> Pixels:
    """Add light, colour, blur, low resolution, sensor noise and JPEG artefacts, each by chance.

    Args:
        picture: u8 [H, W, 3] BGR.
        rng: Source of chance.
        strength: Factor on the probability of each fault.

    Returns:
        A picture of the same shape.
    """
    out = picture
    if rng.random() < 0.8 * strength:  # light: gain and offset a channel, gamma, all in one table
        ramp = np.arange(256, dtype=np.float32) / 255
        gamma = float(np.exp(rng.uniform(-0.55, 0.55)))
        gain, offset = rng.uniform(0.65, 1.35), rng.uniform(-0.12, 0.12)
        tint = rng.uniform(0.88, 1.12, 3) if rng.random() < 0.5 else np.ones(3)
        tables = np.stack(
            [np.clip((ramp**gamma * gain * t + offset) * 255, 0, 255) for t in tint], -1
        ).astype(np.uint8)
        out = np.asarray(cv2.LUT(out, tables.reshape(1, 256, 3)), np.uint8)
    if rng.random() < 0.35 * strength:  # saturation, down to grey
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        amount = 0.0 if rng.random() < 0.25 else rng.uniform(0.3, 1.5)
        out = np.asarray(cv2.addWeighted(out, amount, grey, 1 - amount, 0), np.uint8)
    height, width = out.shape[:2]
    if rng.random() < 0.12 * strength:  # a window behind the person, or a lamp at a side
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * rng.uniform(-0.6, 0.6)
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * rng.uniform(-0.6, 0.6)
        light = np.clip(1 + x + y, 0.25, 1.9)
        out = np.clip(out * light[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.25 * strength:  # low resolution
        scale = rng.uniform(0.3, 0.85)
        small = cv2.resize(
            out,
            (max(4, int(width * scale)), max(4, int(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
        way = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[
            int(rng.choice(3, p=(0.6, 0.3, 0.1)))
        ]
        out = np.asarray(cv2.resize(small, (width, height), interpolation=way), np.uint8)
    if rng.random() < 0.2 * strength:
        if rng.random() < 0.6:
            out = np.asarray(
                cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, max(0.8, width / 110))), np.uint8
            )
        else:  # motion
            length = int(rng.integers(3, 8))
            kernel = np.zeros((length, length), np.float32)
            end = rng.uniform(-1, 1) * (length - 1) / 2
            middle = (length - 1) / 2
            cv2.line(kernel, (0, int(middle - end)), (length - 1, int(middle + end)), 1.0)
            out = np.asarray(cv2.filter2D(out, -1, kernel / kernel.sum()), np.uint8)
    if rng.random() < 0.2 * strength:
        noise = rng.standard_normal((height, width), np.float32) * rng.uniform(3, 18)
        out = np.clip(out + noise[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.25 * strength:
        quality = int(rng.integers(20, 85))
        out = np.asarray(
            cv2.imdecode(
                cv2.imencode(".jpg", out, (cv2.IMWRITE_JPEG_QUALITY, quality))[1], cv2.IMREAD_COLOR
            ),
            np.uint8,
        )
    return out
