"""The COCO layout: one or more JSON files with images, annotations and categories."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_masks

from training.errors import UnknownLayoutError
from training.records.layouts.set_reader import Box, SetReader, within
from training.records.record import FaceRecord, Record
from training.records.splits import FOLDERS


def coco_files(folder: Path) -> list[Path]:
    """Return the JSON files under a folder that hold annotations of pictures."""
    return [p for p in sorted(folder.rglob("*.json")) if _holds_annotations(p)]


def _holds_annotations(path: Path) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return '"annotations"' in text and '"images"' in text


def box_of(annotation: Mapping[str, Any]) -> Box | None:
    """Return the box of an annotation, or the box around its segmentation.

    Args:
        annotation: With `bbox` (x, y, w, h), or with polygons, or with a run-length encoding
            (RLE), compressed or not.

    Returns:
        x0, y0, x1, y1 in pixels; None if the annotation has neither.
    """
    numbers: Any = annotation.get("bbox")
    segmentation = annotation.get("segmentation")
    try:
        if not numbers and isinstance(segmentation, dict):
            height, width = segmentation["size"]
            if isinstance(segmentation["counts"], list):
                segmentation = coco_masks.frPyObjects(segmentation, height, width)
            numbers = coco_masks.toBbox(segmentation).ravel().tolist()
        elif not numbers and segmentation:
            points = np.concatenate([np.asarray(p, float).reshape(-1, 2) for p in segmentation])
            return (*points.min(0).tolist(), *points.max(0).tolist())
        x, y, w, h = (float(v) for v in numbers)
    except (TypeError, ValueError, KeyError):
        return None
    return x, y, x + w, y + h


def _split_in(name: str) -> str | None:
    """Return the split that a file's name says: `instances_val2017`, `train`."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((FOLDERS[word] for word in words if word in FOLDERS), None)


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnknownLayoutError(f"{file} is not JSON ({error}); export the set again") from error
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or any(not isinstance(content.get(k), list) for k in keys):
        raise UnknownLayoutError(
            f"{file} is not COCO: it needs the lists images, annotations and categories; export "
            "the set again, or take the file away"
        )
    return content


def read_coco(reader: SetReader, files: list[Path]) -> list[Record]:
    """Read COCO detection files.

    The pictures lie beside their file, in images/ beside it, or anywhere in the set. An annotation
    with `iscrowd: 1` becomes a region to ignore.

    Args:
        reader: The set.
        files: Its JSON files.

    Returns:
        A record for each picture.

    Raises:
        UnknownLayoutError: A file is not JSON, or not COCO.
    """
    records: list[Record] = []
    for file in files:
        records += _read_file(reader, file)
    return reader.finished(records, f"is not named in {', '.join(p.name for p in files)}")


def _read_file(reader: SetReader, file: Path) -> list[Record]:
    content = _content(file)
    names = {c.get("id"): str(c.get("name")) for c in content["categories"]}
    by_picture = defaultdict(list)
    for annotation in content["annotations"]:
        by_picture[annotation.get("image_id")].append(annotation)
    split = _split_in(file.stem)
    places = [file.parent / "images", file.parent, reader.folder / "images", reader.folder]
    if split:
        listed = [d for d in reader.folder.rglob("*") if d.is_dir() and _split_in(d.name) == split]
        places = [*listed, *places]
    records = []
    strangers: Counter[str] = Counter()
    for entry in content["images"]:
        annotations = by_picture.pop(entry.get("id"), [])
        name = str(entry.get("file_name"))
        path = reader.find(name, *places)
        if path is None:
            reader.problems.append(f"{name}: named in {file} but not there; left out")
            continue
        if path in reader.seen:
            reader.problems.append(f"{path}: named a second time in {file}; the first one counts")
            continue
        picture = reader.open(path)
        if picture is None:
            continue
        faces = []
        for annotation in annotations:
            category = annotation.get("category_id")
            face = _face(reader, file, annotation, names.get(category), (name, *picture.shape))
            if category not in names:
                strangers[str(category)] += 1
            if face is not None:
                faces.append(face)
        records.append(reader.scene(path, picture, faces))
        if split:
            reader.splits[path.relative_to(reader.folder)] = split
    for category, count in strangers.items():
        reader.problems.append(
            f"{file}: {count} annotations have category {category}, which `categories` does not "
            "name; such faces are ignored; add the category"
        )
    if by_picture:
        count = sum(len(left) for left in by_picture.values())
        reader.problems.append(
            f"{file}: {count} annotations are of pictures that `images` does not name; left out"
        )
    return records


def _face(
    reader: SetReader,
    file: Path,
    annotation: Mapping[str, Any],
    category: str | None,
    picture: tuple[Any, ...],
) -> FaceRecord | None:
    """Return the face of an annotation; `picture` is its name, height and width."""
    name, height, width, *_ = picture
    raw = box_of(annotation)
    if raw is None:
        reader.problems.append(
            f"{name}: annotation {annotation.get('id')} of {file} has no box and no outline; "
            "left out"
        )
        return None
    box = within(raw, width, height, name, reader.problems)
    if box is None:
        return None
    if category is None:
        return FaceRecord(box, None, True)
    label = reader.labels.label(category, file)
    return FaceRecord(box, label, label is None or bool(annotation.get("iscrowd")))
