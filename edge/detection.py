"""Pictures, not people at a door: what the models see in files, one report each."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from edge.addresses import redacted, redacted_in
from edge.errors import EdgeError, SourceError
from edge.faces import FaceDetector
from edge.masks import MaskClassifier
from edge.preview import COLOURS
from edge.sources import IMAGE_SUFFIXES, picture_files, read_picture
from edge.values import Image, Judgement

MIN_SCORE = 0.05
"""Of a face that is reported in JSON: low, so that the reader can choose a threshold."""

# BGR
_BELOW_THRESHOLD = (160, 160, 160)


@dataclass(frozen=True, slots=True)
class PictureReport:
    """What was seen in one file, or why nothing could be.

    Attributes:
        file: As it was given, or found in the folder that was given.
        width: Pixels of the upright picture; 0 when it could not be read.
        height: As `width`.
        judgements: Most certain face first.
        too_small: Indices in `judgements` of faces that a door would not judge.
        error: Empty when the file could be read.
    """

    file: str
    width: int = 0
    height: int = 0
    judgements: tuple[Judgement, ...] = ()
    too_small: frozenset[int] = frozenset()
    error: str = ""

    def as_json(self) -> str:
        """One line: `file`, `width`, `height`, `faces`; or `file` and `error`."""
        if self.error:
            return json.dumps({"file": self.file, "error": self.error}, ensure_ascii=False)
        faces: list[dict[str, Any]] = [
            {
                "box": [round(side, 2) for side in _corners(judged)],
                "score": round(judged.face.score, 5),
                "label": str(judged.label),
                "probabilities": {
                    str(label): round(p, 5) for label, p in judged.probabilities.items()
                },
                "too_small": i in self.too_small,
            }
            for i, judged in enumerate(self.judgements)
        ]
        seen = {"file": self.file, "width": self.width, "height": self.height, "faces": faces}
        return json.dumps(seen, ensure_ascii=False)


def pictures(paths: Iterable[Path]) -> Iterator[Path | PictureReport]:
    """The pictures that paths stand for, folders with all folders inside them.

    A path without a picture comes as a report that says why.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        folders = [path, *sorted(p for p in path.rglob("*") if p.is_dir())]
        found = False
        for folder in folders:
            try:
                inside = picture_files(folder)
            except SourceError:
                continue
            found = True
            yield from inside
        if not found:
            kinds = " ".join(sorted(IMAGE_SUFFIXES))
            yield PictureReport(str(path), error=f"folder {path} holds no picture ({kinds})")


def judge_file(
    path: Path, detector: FaceDetector, classifier: MaskClassifier, *, min_score: float
) -> tuple[PictureReport, Image | None]:
    """Look at one picture.

    Faces that are too small for a door are labelled as well, and marked.

    Args:
        path: Of the picture.
        detector: Of faces.
        classifier: Of masks.
        min_score: Least score of a face, 0…1.

    Returns:
        The report, and the picture where it could be read.

    Raises:
        ModelUnfitError: A model failed.
    """
    try:
        image = read_picture(path)
    except SourceError as error:
        # An address that was taken for a path may hold a password.
        return PictureReport(redacted(str(path)), error=redacted_in(error.problem)), None
    faces = detector.detect(image, min_score=min_score)
    height, width = image.shape[:2]
    report = PictureReport(
        str(path),
        width,
        height,
        tuple(classifier.judge(image, faces)),
        frozenset(i for i, face in enumerate(faces) if not classifier.can_judge(face)),
    )
    return report, image


def annotate(image: Image, report: PictureReport, threshold: float) -> Image:
    """Draw the boxes: green with a mask, red without one, orange when it is worn wrongly.

    Faces under the detector's threshold are thin and grey.
    """
    drawn = image.copy()
    scale = max(0.4, min(image.shape[:2]) / 900)
    for judged in reversed(report.judgements):
        certain = judged.face.score >= threshold
        colour = COLOURS[judged.label] if certain else _BELOW_THRESHOLD
        x0, y0, x1, y1 = (round(side) for side in _corners(judged))
        cv2.rectangle(drawn, (x0, y0), (x1, y1), colour, max(1, round(3 * scale)) if certain else 1)
        if not certain:
            continue
        words = f"{judged.label.replace('_', ' ')} {judged.confidence:.0%}"
        (wide, high), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        base = y0 - 4 if y0 - high - 8 >= 0 else y1 + high + 4
        left = max(0, min(x0, image.shape[1] - wide - 4))
        cv2.rectangle(drawn, (left, base - high - 4), (left + wide + 4, base + 4), colour, -1)
        cv2.putText(
            drawn,
            words,
            (left + 2, base),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
    return drawn


class AnnotatedPictures:
    """A folder of annotated pictures; two of one name do not overwrite each other.

    Args:
        folder: Made when missing.

    Raises:
        EdgeError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeError(f"folder {folder} cannot be made: {error.strerror}") from error

    def save(self, image: Image, of: Path) -> Path:
        """Write a picture as JPEG.

        Raises:
            EdgeError: It cannot be written.
        """
        name = f"{of.stem}.jpg"
        number = 2
        while name in self._taken:
            name = f"{of.stem}-{number}.jpg"
            number += 1
        self._taken.add(name)
        path = self._folder / name
        try:
            path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        except OSError as error:
            raise EdgeError(f"picture {path} cannot be written: {error.strerror}") from error
        return path


def _corners(judged: Judgement) -> tuple[float, float, float, float]:
    box = judged.face.box
    return box.x0, box.y0, box.x1, box.y1
