"""The demo's clip as pictures of a bare and of a masked face, for tests that need real faces."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"
# Frames in which she stands before the camera; she is away in between.
BARE, MASKED = range(24, 60), range(112, 160)


@cache
def clip() -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(CLIP))
    frames: list[np.ndarray] = []
    while True:
        taken, picture = capture.read()
        if not taken:
            return frames
        frames.append(picture)


def write_video(
    path: Path, frames: list[np.ndarray], fps: float = 12.0, codec: str = "MJPG"
) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def varied(frames: list[np.ndarray], count: int, seed: int = 1) -> list[np.ndarray]:
    """Frames turned, mirrored and scaled, so that no two faces are near-duplicates."""
    rng = np.random.default_rng(seed)
    out = []
    for n in range(count):
        frame = frames[n * len(frames) // count]
        height, width = frame.shape[:2]
        turn = cv2.getRotationMatrix2D(
            (width / 2, height / 2), float(rng.uniform(-22, 22)), float(rng.uniform(0.7, 1.1))
        )
        turned = cv2.warpAffine(frame, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        out.append(np.ascontiguousarray(turned[:, ::-1]) if rng.random() < 0.5 else turned)
    return out
