"""The public sets that the shipped models are trained on, each read in its own layout.

`LICENCES` is what the model card prints. A set that is not listed there is a user's own.
"""

import csv
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from pathlib import Path

from training.records.any_layout import read_any_layout
from training.records.label_names import LabelNames
from training.records.layouts.class_folders import read_class_folders
from training.records.layouts.coco import read_coco
from training.records.layouts.set_reader import SetReader, within
from training.records.pictures import pictures_in
from training.records.record import FaceRecord, Record

LICENCES = {
    "detection": (
        "jolignier/face-mask-dataset-ilc-2021: student project, web photos, no licence stated"
    ),
    "crops": (
        "Kaggle Face Mask 12K by way of "
        "Karimashraf01/Face-Mask-Detection-using-MobilenetV2: repository MIT; its CelebA "
        "faces are for non-commercial research"
    ),
    "keypoints": (
        "udacity/P1_Facial_Keypoints: repository MIT; frames from YouTube Faces, for research"
    ),
    "portraits_cc_by": (
        "debruine/webmorphR.stim, Face Research Lab London and Canada sets: CC BY "
        "4.0, DeBruine & Jones 2017"
    ),
    "masked_people": "X-zhangyang/Real-World-Masked-Face-Dataset, part 1: for research",
    "negatives": "EliSchwartz/imagenet-sample-images and BSDS500: for non-commercial research",
    "mask_templates": "aqeelanwar/MaskTheFace: MIT",
    "gender": "UTKFace by way of bagashvilit/facial_recognition_bias: for non-commercial research",
}


MARKERS = {
    "detection": "annotations.json",
    "crops": "index.csv",
    "keypoints": "index.csv",
    "portraits_cc_by": "",
    "masked_people": "",
    "negatives": "",
    "gender": "",
}
"""The public sets that are read in a layout of their own, and the file by which each is known."""


def known_set(folder: Path) -> bool:
    """Return whether a folder is a public set that is read in a layout of its own."""
    return folder.name in MARKERS and (folder / MARKERS[folder.name]).exists()


def _whole(
    reader: SetReader, group: Callable[[Path], str], *, boxed: bool = False, crop: str | None = None
) -> list[Record]:
    records = []
    for path in pictures_in(reader.folder):
        picture = reader.open(path)
        if picture is not None:
            record = reader.scene(path, picture, (), group(path))
            records.append(replace(record, boxed=boxed, crop=crop, by_people=False))
    return records


def _keypoints(reader: SetReader) -> list[Record]:
    records = []
    with (reader.folder / "index.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            path = reader.folder / "images" / row["file"]
            picture = reader.open(path)
            if picture is None:
                continue
            height, width = picture.shape[:2]
            points = tuple((float(row[f"x{i}"]), float(row[f"y{i}"])) for i in range(68))
            xs, ys = [p[0] for p in points], [p[1] for p in points]
            # The landmarks end at the eyebrows. A face's box ends at the hairline, which is
            # higher by about a quarter of the distance from brow to chin.
            top = min(ys) - 0.25 * (max(ys) - min(ys))
            box = within(
                (min(xs), max(0.0, top), max(xs), min(height, max(ys))),
                width,
                height,
                row["file"],
                reader.problems,
            )
            # In training_Luis_Fonsi_21.jpg the person is the source, whether the frame is from the
            # training or the test half.
            person = re.sub(r"^(training|test)_|_\d+$", "", path.stem)
            faces = () if box is None else (FaceRecord(box, "without_mask", False, points),)
            records.append(replace(reader.scene(path, picture, faces, person), by_people=False))
    return records


def _crops(reader: SetReader) -> list[Record]:
    with (reader.folder / "index.csv").open(encoding="utf-8") as rows:
        groups = {row["file"]: row["group"] for row in csv.DictReader(rows)}
    return read_class_folders(reader, groups)


def read_known(reader: SetReader) -> list[Record]:
    """Read a public set in its own layout.

    Args:
        reader: The set, whose folder has one of the names in MARKERS.

    Returns:
        A record for each picture.
    """
    readers: dict[str, Callable[[SetReader], list[Record]]] = {
        "detection": lambda r: read_coco(r, [r.folder / MARKERS["detection"]]),
        "crops": _crops,
        "keypoints": _keypoints,
        "portraits_cc_by": lambda r: _whole(r, lambda p: p.stem),
        "masked_people": lambda r: _whole(r, lambda p: p.stem.split("_")[0]),
        "negatives": lambda r: _whole(r, lambda p: p.stem, boxed=True),
        "gender": lambda r: _whole(r, lambda p: p.stem, crop="without_mask"),
    }
    return readers[reader.folder.name](reader)


def read_sets(
    data: Path, problems: list[str], only: Container[str] | None = None
) -> Iterator[tuple[str, list[Record]]]:
    """Read each public set that `data` holds, and no other folder.

    A folder that holds none of them is read as one set, in whichever layout it is in.

    Args:
        data: The folder.
        problems: A list that gets a line for everything that is left out.
        only: The names of the sets that are read; None for all.

    Yields:
        The name and the records of each set.
    """
    known = [name for name in MARKERS if known_set(data / name)]
    if not known:
        yield data.name, read_any_layout(data, data.name, problems)
    for name in known:
        if only is None or name in only:
            yield name, read_known(SetReader(data / name, name, LabelNames(), problems))
