"""`collect`: labelled face crops from a camera, a video or pictures."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from training.figures.contact_sheets import spread, write_sheet
from training.graphs.face_finder import Face, FaceFinder
from training.preparing.crop_store import CropStore
from training.preparing.frames import Frame
from training.records.crop_index import CollectedCrop
from training.records.image_quality import brightness, grey_of, sharpness
from training.records.perceptual_hash import hamming_distances, perceptual_hash
from training.records.pictures import Pixels, read_picture

MARGIN = 0.6
"""Room around the face in a saved crop, as a share of its longer side.

Training needs the room to shift, turn and scale the face.
"""
BLOCK = 30
"""Number of successive crops in one group: what a camera sees within seconds looks alike."""
AWAY_S = 2.0
"""Seconds without a face after which the next face may be another person's."""
QUIET_S = 10.0
"""Seconds between two equal hints, and seconds without a face until the first hint."""
DARK, GLARING = 60.0, 225.0
"""Mean grey values of a face, 0…255, below and above which little can be seen of it."""
NIGHT = 40.0
"""Mean grey value of a picture, 0…255, under which no face in it is found."""


class Choice(StrEnum):
    """What is to be done with a face that could be saved."""

    WITH_MASK = "with_mask"
    WITHOUT_MASK = "without_mask"
    INCORRECT_MASK = "incorrect_mask"
    SKIP = "skip"
    QUIT = "quit"


class Refusal(StrEnum):
    """Why a face was not saved."""

    TOO_SMALL = "too small"
    BLURRED = "blurred"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"


class FrameSource(Protocol):
    """Frames in their order; see `training.preparing.frames.Source`."""

    name: str
    live: bool
    flowing: bool

    def __iter__(self) -> Iterator[Frame]: ...


class Labeller(Protocol):
    """Says a face's label: one that was given beforehand, or the key that somebody presses."""

    def choose(self, frame: Frame, face: Face, *, live: bool) -> Choice:
        """Return the label of a face; with `live`, the next frame does not wait."""

    def show(self, frame: Frame, face: Face | None, words: str) -> bool:
        """Show what the camera sees; return False if somebody wants to stop."""


class Listener(Protocol):
    """Is told about the progress."""

    def saved(self, crop: CollectedCrop) -> None:
        """Take note that a crop was saved."""

    def refused(self, why: Refusal) -> None:
        """Take note that a face was not saved."""

    def hint(self, words: str) -> None:
        """Tell the people at the camera what they could do."""


@dataclass(frozen=True, slots=True)
class FixedLabel:
    """One label for all faces, and no window."""

    label: Choice

    def choose(self, frame: Frame, face: Face, *, live: bool) -> Choice:  # noqa: ARG002
        """Return the label that was given."""
        return self.label

    def show(self, frame: Frame, face: Face | None, words: str) -> bool:  # noqa: ARG002
        """Show nothing, and return True."""
        return True


@dataclass(frozen=True, slots=True)
class Rules:
    """Which faces are saved.

    Attributes:
        min_side: Least shorter side in pixels.
        min_sharpness: Least variance of the Laplacian at 96 px; 0 takes all.
        near: Largest number of bits in which the 64-bit perceptual hashes of duplicates differ.
        nearest: Whether only the largest face of a frame is taken.
    """

    min_side: float = 48.0
    min_sharpness: float = 25.0
    near: int = 4
    nearest: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """How many crops are wanted of a source.

    Attributes:
        labeller: Says the label of each face.
        count: Number of crops, with those that are there already.
        label: Whose crops count; None for those of all labels.
    """

    labeller: Labeller
    count: int
    label: str | None = None

    def filled(self, collection: CropStore) -> bool:
        """Return whether there are enough crops."""
        return collection.count(self.label) >= self.count


@dataclass(slots=True)
class _Hints:
    """Gives a hint only after it has applied for a while, and repeats it only after a while."""

    listener: Listener
    last_face: float = 0.0
    _last: dict[str, float] = field(default_factory=dict)
    _streak: Counter[str] = field(default_factory=Counter)

    def give(self, words: str, now: float) -> None:
        if now - self._last.get(words, -QUIET_S) >= QUIET_S:
            self._last[words] = now
            self.listener.hint(words)

    def again(self, what: str, words: str, now: float, times: int = 8) -> None:
        self._streak[what] += 1
        if self._streak[what] >= times:
            self._streak[what] = 0
            self.give(words, now)

    def fine(self) -> None:
        self._streak.clear()


_MENDS = {
    Refusal.TOO_SMALL: "the face is too small: come closer",
    Refusal.BLURRED: "blurred: hold still, more light, or wipe the lens",
    Refusal.DUPLICATE: "nearly the same picture as before: turn your head, step back and forth",
}


def crop_of(picture: Pixels, face: Face, margin: float = MARGIN) -> tuple[Pixels, int, int]:
    """Cut the square around a face out of a picture.

    Args:
        picture: u8 [H, W, 3].
        face: The face.
        margin: Room around the face, as a share of its longer side.

    Returns:
        The square, cut off at the picture's border, and its left and top edge in pixels.
    """
    x0, y0, x1, y1 = face.box
    half = max(x1 - x0, y1 - y0) * (1 + margin) / 2
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = max(0, round(cx - half)), max(0, round(cy - half))
    right, bottom = round(cx + half), round(cy + half)
    return picture[top:bottom, left:right], left, top


class Collector:
    """Saves the faces of a source until there are enough.

    Args:
        finder: Finds the faces of a frame.
        collection: Where the crops go.
        rules: Which faces are saved.
        listener: Is told about the progress.
        person: A word for the person before the camera; all crops under it are one group.
        session: Distinguishes the groups of this run from those of other runs; by default the
            time of its start.
        now: The clock.
    """

    def __init__(
        self,
        finder: FaceFinder,
        collection: CropStore,
        rules: Rules,
        listener: Listener,
        *,
        person: str | None = None,
        session: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._finder, self._collection = finder, collection
        self._rules, self._listener = rules, listener
        self._person, self._now = person, now
        self._session = session or f"{now():%Y%m%dT%H%M%S}"
        self._visit = self._in_visit = 0

    def run(self, source: FrameSource, quota: Quota) -> int:
        """Look at frames until the quota is filled, the source ends, or somebody quits.

        Crops that were saved before an error stay saved.

        Args:
            source: The frames.
            quota: How many crops of which label are wanted.

        Returns:
            The number of frames that were looked at.

        Raises:
            SourceError: The source cannot be read.
            UnfitModelError: The face detector cannot be run.
            StorageError: A crop cannot be saved.
        """
        hints = _Hints(self._listener)
        self._visit += 1
        self._in_visit = looked = 0
        for frame in source:
            if quota.filled(self._collection):
                break
            looked += 1
            faces = self._finder.find(frame.picture)[: 1 if self._rules.nearest else None]
            if not faces:
                if brightness(grey_of(frame.picture)) < NIGHT:
                    hints.give("the picture is too dark: more light", frame.seconds)
                elif frame.seconds - hints.last_face >= QUIET_S:
                    words = f"no face for {QUIET_S:.0f} seconds: step in front of the camera"
                    hints.give(words, frame.seconds)
                if not quota.labeller.show(frame, None, "no face"):
                    break
                continue
            if frame.seconds - hints.last_face > AWAY_S or not source.flowing:
                self._visit += 1
                self._in_visit = 0
            hints.last_face = frame.seconds
            if not self._look(frame, faces, source, quota, hints):
                break
        return looked

    def _look(
        self, frame: Frame, faces: list[Face], source: FrameSource, quota: Quota, hints: _Hints
    ) -> bool:
        """Look at every face of a frame; return False if somebody quits."""
        for face in faces:
            if quota.filled(self._collection):
                return True
            crop, left, top = crop_of(frame.picture, face)
            x0, y0, x1, y1 = (round(v) for v in face.box)
            grey = grey_of(frame.picture[y0:y1, x0:x1])
            seen = perceptual_hash(Image.fromarray(np.ascontiguousarray(grey_of(crop))))
            sharp, light = sharpness(grey), brightness(grey)
            why = self._refusal(face, sharp, seen)
            if why is not None:
                self._listener.refused(why)
                hints.again(why, _MENDS[why], frame.seconds)
                if not quota.labeller.show(frame, face, why):
                    return False
                continue
            choice = quota.labeller.choose(frame, face, live=source.live)
            if choice is Choice.QUIT:
                return False
            if choice is Choice.SKIP:
                if not source.live:
                    self._listener.refused(Refusal.SKIPPED)
                continue
            hints.fine()
            if not DARK <= light <= GLARING:
                dark = "the face is too dark: more light from the front"
                bright = "the face is too bright: less light, or turn away from the light"
                hints.give(dark if light < DARK else bright, frame.seconds)
            row = CollectedCrop(
                file=self._collection.free_name(choice),
                time=self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                source=source.name,
                position=frame.position,
                x0=round(face.box[0], 1),
                y0=round(face.box[1], 1),
                x1=round(face.box[2], 1),
                y1=round(face.box[3], 1),
                left=left,
                top=top,
                score=round(face.score, 4),
                sharpness=round(sharp, 1),
                brightness=round(light, 1),
                label=choice,
                hash=f"{seen:016x}",
                group=self._person or f"{self._session}-{self._visit}-{self._in_visit // BLOCK}",
            )
            self._collection.add(crop, row)
            self._in_visit += 1
            self._listener.saved(row)
        return True

    def _refusal(self, face: Face, sharp: float, seen: int) -> Refusal | None:
        if face.side < self._rules.min_side:
            return Refusal.TOO_SMALL
        if sharp < self._rules.min_sharpness:
            return Refusal.BLURRED
        if (hamming_distances(self._collection.hashes, seen) <= self._rules.near).any():
            return Refusal.DUPLICATE
        return None


def draw_sheet(collection: CropStore, path: Path) -> None:
    """Draw a contact sheet of the crops, class by class, each with its sharpness."""
    ordered = sorted(collection.crops, key=lambda c: (c.label, c.file))
    tiles = []
    for index in spread(len(ordered)):
        crop = ordered[index]
        picture = read_picture(collection.folder / crop.label / Path(crop.file).name)
        if picture is not None:
            tiles.append((picture, f"{crop.label[:9]} {crop.sharpness:.0f}"))
    if tiles:
        write_sheet(tiles, path)
