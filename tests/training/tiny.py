"""Tiny made-up sets in the public layouts: faces that are ovals with eyes, masks that are blue."""

import json
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"with_mask": (220, 190, 120), "incorrect_mask": (220, 190, 120)}
Box = tuple[int, int, int, int]


def draw_face(picture: np.ndarray, box: Box, label: str) -> None:
    x0, y0, x1, y1 = box
    centre, axes = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2)
    cv2.ellipse(picture, centre, axes, 0, 0, 360, (140, 170, 215), -1)
    for side in (-1, 1):
        cv2.circle(
            picture,
            (centre[0] + side * axes[0] // 2, centre[1] - axes[1] // 3),
            max(1, axes[0] // 7),
            (40, 30, 30),
            -1,
        )
    if label in COLOURS:
        top = centre[1] if label == "with_mask" else centre[1] + axes[1] // 2
        cv2.rectangle(
            picture,
            (centre[0] - axes[0] * 3 // 4, top),
            (centre[0] + axes[0] * 3 // 4, y1 - 2),
            COLOURS[label],
            -1,
        )


def scene(
    seed: int, size: tuple[int, int] = (160, 120), faces: int = 2
) -> tuple[np.ndarray, list[tuple[Box, str]]]:
    rng = np.random.default_rng(seed)
    # Coarse noise: every picture has a perceptual hash of its own.
    coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    found = []
    for n in range(faces):
        side = int(rng.integers(36, 56))
        x, y = (
            n * size[0] // 2 + int(rng.integers(0, size[0] // 2 - side)),
            int(rng.integers(0, size[1] - side)),
        )
        label = ("with_mask", "without_mask", "incorrect_mask")[(seed + n) % 3]
        draw_face(picture, (x, y, x + side, y + side), label)
        found.append(((x, y, x + side, y + side), label))
    return picture, found


def write_coco(folder: Path, count: int) -> Path:
    (folder / "images").mkdir(parents=True)
    names = ("with_mask", "without_mask", "incorrect_mask", "unlabelled_face")
    content: dict[str, list[dict[str, object]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i + 1, "name": n} for i, n in enumerate(names)],
    }
    for n in range(count):
        picture, faces = scene(n)
        cv2.imwrite(str(folder / "images" / f"{n:03}.png"), picture)
        content["images"].append({"id": n, "file_name": f"{n:03}.png", "width": 160, "height": 120})
        for (x0, y0, x1, y1), label in faces:
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": n,
                    "category_id": names.index(label) + 1,
                    "iscrowd": 0,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                }
            )
    file = folder / "annotations.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def write_classes(
    folder: Path,
    count: int,
    labels: tuple[str, ...] = ("with_mask", "without_mask", "incorrect_mask"),
) -> None:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for n in range(count):
            rng = np.random.default_rng((n, len(label)))
            picture = cv2.resize(
                rng.integers(0, 256, (6, 6, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC
            )
            draw_face(picture, (6, 6, 58, 58), label)
            cv2.imwrite(str(folder / label / f"{n:03}.png"), picture)
