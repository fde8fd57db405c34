"""The command `detect`: judges picture files, and makes one report for each."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from edge.capture.sources import IMAGE_SUFFIXES, picture_files, read_picture
from edge.errors import EdgeError, SourceError
from edge.faces import FaceDetector
from edge.masks import MaskClassifier
from edge.preview import COLOURS
from edge.redaction.addresses import redacted, redacted_in
from edge.values import Image, Judgement

MIN_SCORE = 0.05
"""Least score of a face in JSON; it is low, so that the reader can choose a threshold."""

# BGR
_BELOW_THRESHOLD = (160, 160, 160)


@dataclass(frozen=True, slots=True)
class PictureReport:
    """The faces in one file, or the reason why the file could not be read.

    Attributes:
        file: Path as it was given, or as it was found in the given folder.
        width: Of the upright picture in pixels; 0 if the file could not be read.
        height: Of the upright picture in pixels; 0 if the file could not be read.
        judgements: Of the faces, the highest score first.
        too_small: Indices in `judgements` of the faces that are too small for a door.
        error: Why the file could not be read; empty if it could.
    """

    file: str
    width: int = 0
    height: int = 0
    judgements: tuple[Judgement, ...] = ()
    too_small: frozenset[int] = frozenset()
    error: str = ""

    def as_json(self) -> str:
        """Return one line of JSON: `file`, `width`, `height`, `faces`; or `file` and `error`."""
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
        report = {"file": self.file, "width": self.width, "height": self.height, "faces": faces}
        return json.dumps(report, ensure_ascii=False)


def pictures(paths: Iterable[Path]) -> Iterator[Path | PictureReport]:
    """List the pictures under paths, in folders of any depth.

    Args:
        paths: Pictures and folders.

    Yields:
        Each picture; for a folder without a picture, a report with the error.
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
    """Judge one picture. Faces that are too small for a door are labelled, too, and marked.

    Args:
        path: Of the picture.
        detector: Finds faces.
        classifier: Labels faces.
        min_score: Least score of a face, 0…1.

    Returns:
        The report and the picture; None in place of a picture that cannot be read.

    Raises:
        ModelUnfitError: A model failed.
    """
    try:
        image = read_picture(path)
    except SourceError as error:
        # The path may be an address with a password, given by mistake.
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
    """Draw the boxes: green with a mask, red without, orange for a mask that is worn wrongly.

    Args:
        image: The picture.
        report: Of this picture.
        threshold: Faces with a lower score get a thin grey box.

    Returns:
        A copy of the picture with the boxes.
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
    """A folder of annotated pictures; pictures of the same name do not overwrite each other.

    Args:
        folder: Created if it does not exist.

    Raises:
        EdgeError: The folder cannot be created.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeError(f"folder {folder} cannot be created: {error.strerror}") from error

    def save(self, image: Image, of: Path) -> Path:
        """Write a picture as JPEG.

        Args:
            image: To be written.
            of: The original file, whose name the JPEG gets.

        Returns:
            The path of the JPEG.

        Raises:
            EdgeError: The file cannot be written.
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
