"""Counts of what unmasked faces look like: off unless asked for, and never about one person.

A head reads the face of a sighting that ended without a mask, once, as the people who labelled its
training set would have: that is no fact about the person. What it says goes into a sum and nowhere
else: not into an event, a log or a picture. The sum leaves the device in steps of twenty people and
more, so that no two sums differ by one person.
"""

import threading
from collections import Counter

import numpy as np

from cloud.contract import Label
from edge.errors import ModelUnfitError
from edge.inference import Network
from edge.masks import crop_box
from edge.resizing import resize
from edge.values import Box, Frame, Image, Verdict

GENDERS = ("female", "male")

MIN_BATCH = 20
"""People by whom the sum that leaves the device grows at least."""


class BatchedCounter:
    """A sum that shows itself in steps alone. Safe to use from several threads.

    Args:
        names: What is counted.
        batch: How many make a step.
    """

    def __init__(self, names: tuple[str, ...], batch: int = MIN_BATCH) -> None:
        self._names = names
        self._batch = batch
        self._turn = threading.Lock()
        self._shown: Counter[str] = Counter()
        self._held: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count one."""
        with self._turn:
            self._held[name] += 1
            if self._held.total() >= self._batch:
                self._shown += self._held
                self._held.clear()

    def shown(self) -> dict[str, int]:
        """The sum since the start, as of the last full step; empty before the first."""
        with self._turn:
            return {name: self._shown[name] for name in self._names} if self._shown else {}


class GenderHead:
    """Says of a face crop which of two words people would have chosen.

    Args:
        network: A gender classifier (docs/decisions/0001-model-contract.md).

    Raises:
        ModelUnfitError: Its labels are others.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._margin = network.info.number("crop_margin")
        self._least = network.info.number("min_face_size")
        self._size = network.info.size()
        self._labels = network.info.text("labels").split()
        if sorted(self._labels) != sorted(GENDERS):
            raise ModelUnfitError(
                f"gender head {network.info.path} knows the labels {self._labels}, not {GENDERS}",
                "Export it again with `python -m training export --gender RUN`",
            )

    @property
    def digest(self) -> str:
        """SHA-256 of the model."""
        return self._network.digest

    def read(self, image: Image, box: Box) -> str | None:
        """One of `GENDERS`; None for a face that is too small to tell.

        Raises:
            ModelUnfitError: The graph failed, or gave something else than two probabilities.
        """
        if box.shorter_side < self._least:
            return None
        x0, y0, x1, y1 = crop_box(box, self._margin, *image.shape[:2])
        row = self._network.infer(resize(image[y0:y1, x0:x1], *self._size))["probabilities"]
        if row.shape != (2,) or not np.isfinite(row).all():
            raise ModelUnfitError(
                f"gender head {self._network.info.path} gave {row.tolist()}, not two probabilities"
            )
        return self._labels[int(row.argmax())]


class GenderCounter:
    """Counts refused people by gender: each sighting that ends without a mask once.

    Args:
        head: Reads the faces.
        tally: Sums up.
    """

    def __init__(self, head: GenderHead, tally: BatchedCounter | None = None) -> None:
        self._head = head
        self._tally = tally or BatchedCounter(GENDERS)

    def count_verdict(self, frame: Frame, verdict: Verdict) -> None:
        """Count the person whose sighting a frame settled, if the face is bare.

        Raises:
            ModelUnfitError: As `GenderHead.read`.
        """
        if verdict.label is not Label.WITHOUT_MASK:
            return
        read = self._head.read(frame.image, verdict.box)
        if read is not None:
            self._tally.add(read)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts for the heartbeat by attribute; empty before the first full batch."""
        shown = self._tally.shown()
        return {"gender": shown} if shown else {}
