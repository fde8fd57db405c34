"""The public sets that the shipped models are trained on, each read in its own layout.

`LICENCES` is what the model card prints. A set that is not listed there is a user's own.
"""

import csv
import re
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from training.records.any_layout import read_any_layout
from training.records.layouts import read_class_folders, read_coco, within
from training.records.pictures import pictures_in, read_picture
from training.records.record import FaceRecord, Record
from training.records.splits import split_of

TEMPLATES = "mask_templates"
"""Folder of mask pictures among the sets (MaskTheFace's), which are drawn on bare faces."""

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


def _whole(
    folder: Path,
    name: str,
    problems: list[str],
    *,
    boxed: bool = False,
    crop: str | None = None,
    group: Callable[[Path], str],
) -> list[Record]:
    records = []
    for path in pictures_in(folder):
        picture = read_picture(path)
        if picture is None:
            problems.append(f"{path}: is not a readable picture; left out")
            continue
        source = f"{name}/{group(path)}"
        records.append(
            Record(
                name,
                str(path),
                source,
                split_of(source),
                picture.shape[1],
                picture.shape[0],
                boxed,
                crop,
            )
        )
    return records


def _keypoints(folder: Path, problems: list[str]) -> list[Record]:
    records = []
    with (folder / "index.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            path = folder / "images" / row["file"]
            picture = read_picture(path)
            if picture is None:
                problems.append(f"{path}: is not a readable picture; left out")
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
                problems,
            )
            # In training_Luis_Fonsi_21.jpg the person is the source, whether the frame is from the
            # training or the test half.
            person = re.sub(r"^(training|test)_|_\d+$", "", path.stem)
            group = f"keypoints/{person}"
            faces = () if box is None else (FaceRecord(box, "without_mask", False, points),)
            records.append(
                Record(
                    "keypoints", str(path), group, split_of(group), width, height, True, None, faces
                )
            )
    return records


def _crops(folder: Path, problems: list[str]) -> list[Record]:
    with (folder / "index.csv").open(encoding="utf-8") as rows:
        groups = {row["file"]: row["group"] for row in csv.DictReader(rows)}
    return read_class_folders(folder, "crops", problems, groups)


def read_sets(
    data: Path, problems: list[str], only: Container[str] | None = None
) -> Iterator[tuple[str, list[Record]]]:
    """Read each public set that `data` holds.

    A folder that holds none of them is read as one set, in whichever layout it is in.

    Args:
        data: The folder.
        problems: A list that gets a line for everything that is left out.
        only: The names of the sets that are read; None for all.

    Yields:
        The name and the records of each set.
    """
    readers: dict[str, Callable[[Path], list[Record]]] = {
        "detection": lambda f: read_coco(f / "annotations.json", "detection", problems),
        "crops": lambda f: _crops(f, problems),
        "keypoints": lambda f: _keypoints(f, problems),
        "portraits_cc_by": lambda f: _whole(
            f, "portraits_cc_by", problems, boxed=False, crop=None, group=lambda p: p.stem
        ),
        "masked_people": lambda f: _whole(
            f,
            "masked_people",
            problems,
            boxed=False,
            crop=None,
            group=lambda p: p.stem.split("_")[0],
        ),
        "negatives": lambda f: _whole(
            f, "negatives", problems, boxed=True, crop=None, group=lambda p: p.stem
        ),
        "gender": lambda f: _whole(
            f, "gender", problems, boxed=False, crop="without_mask", group=lambda p: p.stem
        ),
    }
    markers = {"detection": "annotations.json", "crops": "index.csv", "keypoints": "index.csv"}
    known = [
        n
        for n in readers
        if (data / n).is_dir() and (n not in markers or (data / n / markers[n]).is_file())
    ]
    if not known:
        yield data.name, read_any_layout(data, data.name, problems)
        return
    for name in known:
        if only is not None and name not in only:
            continue
        yield name, readers[name](data / name)
