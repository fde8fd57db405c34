"""Counts of unmasked people by attribute: off by default, and never about one person.

A classifier reads the face of each sighting that ended without a mask, once. Its answer repeats how
the people who labelled the training set would have read the face, and is no fact about the person.
The answer is added to a sum and kept nowhere else: no event, log or picture holds it. The sum that
leaves the device grows by twenty people or more at once, so no two sums differ by one person.
"""

import threading
from collections import Counter

import numpy as np

from cloud.contract import Label
from edge.errors import ModelUnfitError
from edge.inference.network import Network
from edge.masks import crop_box
from edge.resizing import resize
from edge.values import Box, Frame, Image, Verdict

GENDERS = ("female", "male")

MIN_BATCH = 20
"""Least number of people by which the sum that leaves the device grows."""


class BatchedCounter:
    """A counter that publishes its sums in batches. May be used from several threads.

    Args:
        names: Of the values that are counted.
        batch: Number of values that are published at once.
    """

    def __init__(self, names: tuple[str, ...], batch: int = MIN_BATCH) -> None:
        self._names = names
        self._batch = batch
        self._lock = threading.Lock()
        self._published: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count one value."""
        with self._lock:
            self._pending[name] += 1
            if self._pending.total() >= self._batch:
                self._published += self._pending
                self._pending.clear()

    def published(self) -> dict[str, int]:
        """Return the sums since the start, as of the last full batch; empty before the first."""
        with self._lock:
            return {name: self._published[name] for name in self._names} if self._published else {}


class GenderHead:
    """Reads the gender of a face, in the two words of its training set.

    Args:
        network: A gender classifier (docs/decisions/0001-model-contract.md).

    Raises:
        ModelUnfitError: The model's labels are not `GENDERS`.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._margin = network.info.number("crop_margin")
        self._least = network.info.number("min_face_size")
        self._size = network.info.size()
        self._labels = network.info.text("labels").split()
        if sorted(self._labels) != sorted(GENDERS):
            raise ModelUnfitError(
                f"gender head {network.info.path} has the labels {self._labels}, not {GENDERS}",
                "Export it again with `python -m training export --gender RUN`",
            )

    @property
    def digest(self) -> str:
        """The SHA-256 of the model."""
        return self._network.digest

    @property
    def precision(self) -> str:
        """The precision in which the device computes (`Network.precision`)."""
        return self._network.precision

    def make_ready(self) -> None:
        """Compile the model now, not when the first person was refused."""
        width, height = self._size
        self._network.expect(height, width)

    def read(self, image: Image, box: Box) -> str | None:
        """Read one face.

        Args:
            image: The frame.
            box: Of the face.

        Returns:
            One of `GENDERS`; None if the face is too small.

        Raises:
            ModelUnfitError: The graph failed, or returned something else than two probabilities.
        """
        if box.shorter_side < self._least:
            return None
        x0, y0, x1, y1 = crop_box(box, self._margin, *image.shape[:2])
        row = self._network.infer(resize(image[y0:y1, x0:x1], *self._size))["probabilities"]
        if row.shape != (2,) or not np.isfinite(row).all():
            raise ModelUnfitError(
                f"gender head {self._network.info.path} returned {row.tolist()}, not two"
                " probabilities"
            )
        return self._labels[int(row.argmax())]


class GenderCounter:
    """Counts people by gender: once for each sighting that ends without a mask.

    Args:
        head: Reads the faces.
        counter: Counts; None for a counter with the usual batch.
    """

    def __init__(self, head: GenderHead, counter: BatchedCounter | None = None) -> None:
        self._head = head
        self._counter = counter or BatchedCounter(GENDERS)

    def count_verdict(self, frame: Frame, verdict: Verdict) -> None:
        """Count the person of a verdict, if the verdict is `without_mask`.

        Args:
            frame: The frame that led to the verdict.
            verdict: Of one sighting.

        Raises:
            ModelUnfitError: The model failed.
        """
        if verdict.label is not Label.WITHOUT_MASK:
            return
        gender = self._head.read(frame.image, verdict.box)
        if gender is not None:
            self._counter.add(gender)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts for the heartbeat by attribute; empty before the first full batch."""
        counts = self._counter.published()
        return {"gender": counts} if counts else {}
