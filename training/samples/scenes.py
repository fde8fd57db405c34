"""Scenes for the detector, with boxes and regions to ignore.

A scene is one view, or a mosaic of four, at any scale. Faces are pasted in, and masks are drawn
on bare ones.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from training.boxes.detections import Boxes
from training.networks.detector import STRIDES
from training.records.pictures import Pixels
from training.records.record import FaceRecord
from training.samples.augmentation import degrade
from training.samples.dataset import PictureDataset
from training.samples.synthetic_masks import PLACEMENTS, complete_points, draw_mask, draw_occlusion

Batch = tuple[torch.Tensor, ...]
"""Pictures u8 [B, S, S, 3] BGR, faces f32 [B, 48, 4] and regions to ignore f32 [B, 24, 4].

Faces and regions are filled up with zeros. With a teacher, its score and box at each anchor point
follow, f32 [B, A, 5].
"""

MOST_FACES = 48
MOST_IGNORED = 24
SMALLEST = 6.0
"""Least longer side of a face in a scene, in pixels; a smaller one is a region to ignore."""

# Weight of each set, and the sets that hold single faces to paste.
_WEIGHTS = {
    "detection": 0.52,
    "keypoints": 0.14,
    "masked_people": 0.10,
    "portraits_cc_by": 0.08,
    "negatives": 0.16,
}
_PASTED = ("crops", "gender")


Scene = tuple[Pixels, Boxes, Boxes, Boxes | None]
"""Picture, faces, regions to ignore, and what the teacher says of the picture."""


Teaching = Callable[[], Callable[[Pixels], Boxes]]
"""Opens a teacher, in the process that makes the scenes.

The teacher gives the score and the box of a picture at each anchor point, f32 [A, 5].
"""


class Scenes(IterableDataset[Batch]):
    """An endless stream of batches for the detector.

    Each scene comes twice, the second time mirrored and with other camera faults, because making
    a scene takes as long as learning from it.
    """

    def __init__(
        self,
        dataset: PictureDataset,
        size: int,
        batch: int,
        seed: int,
        teaching: Teaching | None = None,
    ) -> None:
        super().__init__()
        self.teaching = teaching
        self.dataset, self.size, self.batch, self.seed = dataset, size, batch, seed
        self._sources: list[tuple[float, list[int]]] = []
        for name, weight in _WEIGHTS.items():
            indices = [i for i in dataset.of(name) if dataset.records[i].boxed]
            if indices:
                self._sources.append((weight, indices))
        own = [i for i, r in enumerate(dataset.records) if r.boxed and r.set not in _WEIGHTS]
        if own:
            self._sources.append((0.6, own))
        self._single = [i for i in dataset.of(*_PASTED) if dataset.records[i].faces]
        self._empty = dataset.of("negatives")
        total = sum(w for w, _ in self._sources)
        self._chances = [w / total for w, _ in self._sources]

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        teacher = self.teaching() if self.teaching else None
        waiting: list[Scene] = []
        while True:
            fresh: list[Scene] = []
            for _ in range(self.batch - min(len(waiting), self.batch // 2)):
                picture, faces, ignored = self.composed(rng)
                fresh.append((picture, faces, ignored, teacher(picture) if teacher else None))
            chosen = fresh + waiting[: self.batch // 2]
            waiting = [mirrored_scene(scene, self.size) for scene in fresh]
            yield self._batched(chosen, rng)

    def _batched(self, scenes: list[Scene], rng: np.random.Generator) -> Batch:
        pictures = np.stack([degrade(np.ascontiguousarray(scene[0]), rng) for scene in scenes])
        faces = np.zeros((len(scenes), MOST_FACES, 4), np.float32)
        ignored = np.zeros((len(scenes), MOST_IGNORED, 4), np.float32)
        for i, (_, found, doubtful, _) in enumerate(scenes):
            order = np.argsort(-(found[:, 2] - found[:, 0]))[:MOST_FACES]
            faces[i, : len(order)] = found[order]
            ignored[i, : min(len(doubtful), MOST_IGNORED)] = doubtful[:MOST_IGNORED]
        lessons = [scene[3] for scene in scenes if scene[3] is not None]
        arrays = [pictures, faces, ignored, *([np.stack(lessons)] if lessons else [])]
        return tuple(torch.from_numpy(a) for a in arrays)

    def _draw(self, rng: np.random.Generator) -> int:
        indices = self._sources[int(rng.choice(len(self._sources), p=self._chances))][1]
        return indices[int(rng.integers(len(indices)))]

    def dressed(self, index: int, rng: np.random.Generator, chance: float) -> Pixels:
        """Return a record's picture, with something drawn on its bare faces by chance.

        Args:
            index: Place of the record.
            rng: Source of chance.
            chance: Probability, 0…1, that something is drawn on a face.
        """
        record, picture = self.dataset.records[index], self.dataset.pictures[index]
        mean = self.dataset.mean
        if mean is None:
            return picture
        copied = False
        for face in record.faces:
            if len(face.points) < 5 or record.set == "masked_people" or rng.random() > chance:
                continue
            if not copied:
                picture, copied = picture.copy(), True
            shape = complete_points(np.array(face.points, np.float32), mean)
            if rng.random() < 0.2:
                draw_occlusion(picture, shape, None, rng)
            else:
                draw_mask(
                    picture,
                    shape,
                    PLACEMENTS[int(rng.choice(3, p=(0.7, 0.15, 0.15)))],
                    self.dataset.templates,
                    rng,
                )
        return picture

    def view(
        self, index: int, width: int, height: int, rng: np.random.Generator
    ) -> tuple[Pixels, Boxes, Boxes]:
        """Show a window of one picture, at a scale of its own.

        Args:
            index: Place of the record.
            width: Width of the window in pixels.
            height: Height of the window in pixels.
            rng: Source of chance.

        Returns:
            The window u8 [height, width, 3], the faces [n, 4] and the regions to ignore [m, 4].
        """
        record = self.dataset.records[index]
        source = self.dressed(index, rng, 0.5)
        h, w = source.shape[:2]
        sure = [f for f in record.faces if not f.ignore]
        room = min(width, height)
        if sure and rng.random() < 0.65:  # zoom so that one face has a log-uniform size
            face = sure[int(rng.integers(len(sure)))].box
            longest = max(face[2] - face[0], face[3] - face[1])
            scale = float(np.exp(rng.uniform(np.log(10), np.log(0.9 * room)))) / longest
            scale = min(max(scale, 0.7 * room / max(w, h)), 3.0)
            cx, cy = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
        else:
            scale = room / max(w, h) * float(np.exp(rng.uniform(np.log(0.9), np.log(2.4))))
            cx, cy = rng.uniform(0, w), rng.uniform(0, h)
        sx, sy = scale * float(np.exp(rng.uniform(-0.1, 0.1))), scale
        # The window's corner in the picture, so that (cx, cy) is somewhere in the middle of the
        # view.
        left, top = (
            cx - rng.uniform(0.15, 0.85) * width / sx,
            cy - rng.uniform(0.15, 0.85) * height / sy,
        )
        if width / sx <= w:
            left = min(max(left, 0), w - width / sx)
        if height / sy <= h:
            top = min(max(top, 0), h - height / sy)
        out = np.empty((height, width, 3), np.uint8)
        out[:] = rng.integers(0, 256, 3, dtype=np.uint8) if rng.random() < 0.5 else 114
        x0, y0 = max(0, int(left)), max(0, int(top))
        x1, y1 = min(w, int(np.ceil(left + width / sx))), min(h, int(np.ceil(top + height / sy)))
        tx, ty = round((x0 - left) * sx), round((y0 - top) * sy)
        tx, ty = max(0, tx), max(0, ty)
        tw, th = min(width - tx, round((x1 - x0) * sx)), min(height - ty, round((y1 - y0) * sy))
        if tw < 2 or th < 2 or x1 - x0 < 2 or y1 - y0 < 2:
            return out, np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        fx, fy = tw / (x1 - x0), th / (y1 - y0)
        shrink = cv2.INTER_AREA if max(fx, fy) < 0.8 else cv2.INTER_LINEAR
        out[ty : ty + th, tx : tx + tw] = cv2.resize(
            source[y0:y1, x0:x1], (tw, th), interpolation=shrink
        )
        faces, ignored = self._moved(
            record.faces,
            np.array([fx, fy, fx, fy], np.float32),
            np.array([tx - x0 * fx, ty - y0 * fy] * 2, np.float32),
            np.array([tx, ty, tx + tw, ty + th], np.float32),
        )
        if rng.random() < 0.5:
            out = out[:, ::-1]
            faces, ignored = _mirrored(faces, width), _mirrored(ignored, width)
        return out, faces, ignored

    @staticmethod
    def _moved(
        faces: tuple[FaceRecord, ...],
        factor: Boxes,
        shift: Boxes,
        bounds: Boxes,
    ) -> tuple[Boxes, Boxes]:
        kept, ignored = [], []
        for face in faces:
            x0, y0, x1, y1 = (np.array(face.box, np.float32) * factor + shift).tolist()
            left, top, right, bottom = bounds.tolist()
            c0, d0, c1, d1 = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
            if c1 - c0 < 1 or d1 - d0 < 1:
                continue
            seen = (c1 - c0) * (d1 - d0) / max(1e-6, (x1 - x0) * (y1 - y0))
            if face.ignore or seen < 0.55 or max(x1 - x0, y1 - y0) < SMALLEST:
                ignored.append((c0, d0, c1, d1))
            else:
                kept.append((c0, d0, c1, d1))
        return np.array(kept, np.float32).reshape(-1, 4), np.array(ignored, np.float32).reshape(
            -1, 4
        )

    def composed(self, rng: np.random.Generator) -> tuple[Pixels, Boxes, Boxes]:
        """Compose one scene, without a camera's faults.

        Args:
            rng: Source of chance.

        Returns:
            The picture u8 [S, S, 3], the faces [n, 4] and the regions to ignore [m, 4].
        """
        size = self.size
        if rng.random() < 0.45:
            picture = np.empty((size, size, 3), np.uint8)
            x, y = (int(v) for v in rng.uniform(0.3, 0.7, 2) * size)
            faces, ignored = [], []
            for x0, y0, x1, y1 in (
                (0, 0, x, y),
                (x, 0, size, y),
                (0, y, x, size),
                (x, y, size, size),
            ):
                tile, found, doubtful = self.view(self._draw(rng), x1 - x0, y1 - y0, rng)
                picture[y0:y1, x0:x1] = tile
                faces.append(found + np.array([x0, y0, x0, y0], np.float32))
                ignored.append(doubtful + np.array([x0, y0, x0, y0], np.float32))
            out, boxes, doubtful = picture, np.concatenate(faces), np.concatenate(ignored)
        else:
            view, boxes, doubtful = self.view(self._draw(rng), size, size, rng)
            out = np.ascontiguousarray(view)
        if self._single and rng.random() < 0.5:
            boxes = self._pasted(out, boxes, doubtful, rng)
        return out, boxes, doubtful

    def _pasted(self, out: Pixels, boxes: Boxes, ignored: Boxes, rng: np.random.Generator) -> Boxes:
        """Paste single faces, and patches without faces, into free places of a scene."""
        size = self.size
        for _ in range(int(rng.integers(1, 4))):
            bare = self._empty and rng.random() < 0.2
            index = (
                self._empty[int(rng.integers(len(self._empty)))]
                if bare
                else self._single[int(rng.integers(len(self._single)))]
            )
            patch = self.dataset.pictures[index] if bare else self.dressed(index, rng, 0.4)
            if bare:
                side = min(patch.shape[:2], key=int)
                patch = patch[:side, :side]
            target = int(np.exp(rng.uniform(np.log(14), np.log(0.75 * size))))
            scale = target / max(patch.shape[:2])
            tw, th = max(8, round(patch.shape[1] * scale)), max(8, round(patch.shape[0] * scale))
            if tw >= size or th >= size:
                continue
            x, y = int(rng.integers(size - tw)), int(rng.integers(size - th))
            around = np.array([x, y, x + tw, y + th], np.float32)
            taken = np.concatenate([boxes, ignored])
            if (
                len(taken)
                and (
                    (
                        np.minimum(taken[:, 2:], around[2:]) - np.maximum(taken[:, :2], around[:2])
                    ).min(1)
                    > 0
                ).any()
            ):
                continue
            small = cv2.resize(
                patch, (tw, th), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            )
            mirrored = rng.random() < 0.5
            small = small[:, ::-1] if mirrored else small
            alpha = np.ones((th, tw), np.float32)
            if rng.random() < 0.7:
                alpha[:] = 0
                cv2.ellipse(
                    alpha,
                    (tw // 2, th // 2),
                    (int(tw * 0.49), int(th * 0.52)),
                    0,
                    0,
                    360,
                    1.0,
                    -1,
                    cv2.LINE_AA,
                )
                alpha = cv2.GaussianBlur(alpha, (0, 0), max(0.6, tw * 0.025))
            region = out[y : y + th, x : x + tw]
            region[:] = (region * (1 - alpha[..., None]) + small * alpha[..., None]).astype(
                np.uint8
            )
            if not bare:
                box = np.array(self.dataset.records[index].faces[0].box, np.float32) * scale
                if mirrored:
                    box = np.array([tw - box[2], box[1], tw - box[0], box[3]], np.float32)
                boxes = np.concatenate([boxes, (box + np.array([x, y, x, y], np.float32))[None]])
        return boxes


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    return (
        np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], -1)
        if len(boxes)
        else boxes
    )


def mirrored_scene(scene: Scene, size: int) -> Scene:
    """Return a scene with left and right exchanged."""
    picture, faces, ignored, lesson = scene
    return (
        picture[:, ::-1],
        _mirrored(faces, size),
        _mirrored(ignored, size),
        _mirrored_lesson(lesson, size) if lesson is not None else None,
    )


def _mirrored_lesson(lesson: Boxes, size: int) -> Boxes:
    parts, start = [], 0
    for stride in STRIDES:
        cells = size // stride
        level = lesson[start : start + cells * cells].reshape(cells, cells, 5)[:, ::-1]
        start += cells * cells
        left, right = size - level[..., 3], size - level[..., 1]
        parts.append(
            np.stack([level[..., 0], left, level[..., 2], right, level[..., 4]], -1).reshape(-1, 5)
        )
    return np.concatenate(parts)
