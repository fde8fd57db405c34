"""What `prepare` writes and everything else reads: one record for each picture, and the faces in
it.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.errors import MissingDataError, UnknownLabelError
from training.storage import atomic_write

LABELS = ("with_mask", "without_mask", "incorrect_mask")
"""The classes, in the order of the classifier's columns."""

VALIDATION_PERCENT = 15

# How public face-mask sets spell our three labels.
_SYNONYMS = {
    "with_mask": "with_mask withmask mask masked face_mask mask_on correct_mask"
    " mask_weared_correct",
    "without_mask": "without_mask withoutmask no_mask nomask unmasked face without",
    "incorrect_mask": "incorrect_mask incorrectmask mask_weared_incorrect mask_worn_incorrectly"
    " improper_mask incorrect wrong_mask partially_covered",
}
# Spellings that only file names have.
_IN_NAMES = {"incorrect_mask": "mask_chin mask_mouth_chin mask_nose_mouth"}
IGNORED = {"unlabelled_face", "ignore", "unsure"}


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One face. `box` is x0, y0, x1, y1 in pixels; `label` is one of LABELS, or None where nobody
    said.

    `ignore`: probably a face, but nobody labelled it: neither positive nor background. `points`:
    five landmarks (right eye, left eye, nose tip, right and left mouth corner, as seen on the
    person) or 68 in iBUG order, in pixels.
    """

    box: tuple[float, float, float, float]
    label: str | None = None
    ignore: bool = False
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One picture. `boxed`: its faces are all listed, so that the rest of it is background.

    `crop` is the label of the whole picture, where the picture is one face and nothing else.
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

    def moved(self, split: str, group: str) -> "Record":
        """The same picture in another split, as a member of another group."""
        return replace(self, split=split, group=group)


def label_from_class(name: str, where: Path | str) -> str | None:
    """One of LABELS for a set's own class name; None for a region to ignore. Raises
    UnknownLabelError.
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
    """The label that a file's name carries (`0012-with-mask.jpg`, `WithoutMask_7.png`), by the
    longest spelling in it; None where there is none, or two that are equally long.

    Also as MaskedFace-Net names its files (Cabani et al., 2021): `00012_Mask_Chin.jpg`.
    """
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    found: dict[int, set[str]] = {}
    for label, names in _SYNONYMS.items():
        # `face` and `without` say nothing of a mask where they stand in a name of many words.
        for spelling in {*names.split(), *_IN_NAMES.get(label, "").split()} - {"face", "without"}:
            parts = spelling.split("_")
            if any(words[i : i + len(parts)] == parts for i in range(len(words))):
                found.setdefault(len(parts), set()).add(label)
    longest = found[max(found)] if found else set()
    return longest.pop() if len(longest) == 1 else None


def split_of(group: str) -> str:
    """`train` or `validation`: the same group always lands in the same split, on every machine and
    in every order.
    """
    bucket = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") % 100
    return "validation" if bucket < VALIDATION_PERCENT else "train"


def write_records(records: Iterable[Record], path: Path) -> None:
    """JSON lines, one record each; the file appears whole or not at all. Raises StorageError."""
    with atomic_write(path) as out:
        for record in records:
            out.write((json.dumps(asdict(record), separators=(",", ":")) + "\n").encode())


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file that `prepare` wrote. Raises MissingDataError."""
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
