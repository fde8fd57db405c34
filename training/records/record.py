"""Records: what `prepare` writes, and what everything else reads.

A record describes one picture and the faces in it.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.errors import MissingDataError, UnknownLabelError
from training.storage import atomic_write

LABELS = ("with_mask", "without_mask", "incorrect_mask")
"""The classes, in the order of the classifier's columns."""

# How public face-mask sets spell the three labels.
_SYNONYMS = {
    "with_mask": "with_mask withmask mask masked face_mask mask_on correct_mask"
    " mask_weared_correct",
    "without_mask": "without_mask withoutmask no_mask nomask unmasked face without",
    "incorrect_mask": "incorrect_mask incorrectmask mask_weared_incorrect mask_worn_incorrectly"
    " improper_mask incorrect wrong_mask partially_covered",
}
# Spellings that occur in file names only.
_IN_NAMES = {"incorrect_mask": "mask_chin mask_mouth_chin mask_nose_mouth"}
IGNORED = {"unlabelled_face", "ignore", "unsure"}


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One face.

    Attributes:
        box: x0, y0, x1, y1 in pixels.
        label: One of LABELS, or None if nobody labelled the face.
        ignore: Whether this is probably a face, but nobody labelled it: neither a positive nor
            background.
        points: Landmarks in pixels: none, five (right eye, left eye, nose tip, right and left
            corner of the mouth, as the person has them), or 68 in iBUG's order.
    """

    box: tuple[float, float, float, float]
    label: str | None = None
    ignore: bool = False
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One picture.

    Attributes:
        set: Name of the set that the picture is from.
        path: The file.
        group: Pictures of one group stay in one split.
        split: `train`, `validation` or `test`.
        width, height: Size in pixels.
        boxed: Whether all faces are listed, so that the rest of the picture is background.
        crop: Label of the whole picture, if the picture is one face and nothing else.
        faces: The faces that are known.
        split_given: Whether the user's own folders gave the split, so that it stays.
    """

    set: str
    path: str
    group: str
    split: str
    width: int
    height: int
    boxed: bool
    crop: str | None = None
    faces: tuple[FaceRecord, ...] = ()
    split_given: bool = False

    def moved(self, split: str, group: str) -> "Record":
        """Return the same picture in another split, as a member of another group."""
        return replace(self, split=split, group=group)


def label_from_class(name: str, where: Path | str) -> str | None:
    """Return one of LABELS for a set's own class name, or None for a region to ignore.

    Args:
        name: The class name; case, spaces and hyphens do not matter.
        where: The file that holds the name, for the message.

    Raises:
        UnknownLabelError: The name is unknown.
    """
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    for label, names in _SYNONYMS.items():
        if key in names.split():
            return label
    if key in IGNORED:
        return None
    raise UnknownLabelError(
        f"{where}: label {name!r} is unknown; rename it to one of {', '.join(LABELS)} (or "
        f"{', '.join(sorted(IGNORED))})"
    )


def label_from_file_name(name: str) -> str | None:
    """Return the label that a file name carries, such as `0012-with-mask.jpg`.

    The longest spelling in the name decides. Names as in MaskedFace-Net (Cabani et al., 2021),
    such as `00012_Mask_Chin.jpg`, are known too.

    Args:
        name: The file name.

    Returns:
        One of LABELS, or None if the name carries no label, or two of equal length.
    """
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    found: dict[int, set[str]] = {}
    for label, names in _SYNONYMS.items():
        # In a name of many words, `face` and `without` say nothing about a mask.
        for spelling in {*names.split(), *_IN_NAMES.get(label, "").split()} - {"face", "without"}:
            parts = spelling.split("_")
            if any(words[i : i + len(parts)] == parts for i in range(len(words))):
                found.setdefault(len(parts), set()).add(label)
    longest = found[max(found)] if found else set()
    return longest.pop() if len(longest) == 1 else None


def write_records(records: Iterable[Record], path: Path) -> None:
    """Write records as JSON lines; the file appears whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    with atomic_write(path) as out:
        for record in records:
            out.write((json.dumps(asdict(record), separators=(",", ":")) + "\n").encode())


def read_records(path: Path) -> Iterator[Record]:
    """Read the records that `prepare` wrote.

    Args:
        path: The file of JSON lines.

    Yields:
        Each record.

    Raises:
        MissingDataError: The file does not exist.
    """
    if not path.is_file():
        raise MissingDataError(
            f"{path} is not there; run `python -m training prepare` first, or name its "
            f"--prepared folder"
        )
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            raw = json.loads(line)
            faces = tuple(
                FaceRecord(
                    tuple(f["box"]),
                    f["label"],
                    f["ignore"],
                    tuple((p[0], p[1]) for p in f["points"]),
                )
                for f in raw.pop("faces")
            )
            yield Record(**raw, faces=faces)
