"""Readers of the public layouts of face-mask data, each from a folder to records.

COCO JSON, Pascal VOC XML, class folders, and pictures whose file names carry the label are read
here; `yolo.py` reads YOLO. Each reader adds a line to `problems` for everything that it leaves
out.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from training.errors import EmptyClassError, UnknownLabelError
from training.records.crop_index import INDEX, is_index, read_index
from training.records.pictures import pictures_in, read_picture
from training.records.record import (
    LABELS,
    FaceRecord,
    Record,
    label_from_class,
    label_from_file_name,
)
from training.records.splits import keep_given_splits, split_of


def within(
    box: Sequence[float], width: int, height: int, where: str, problems: list[str]
) -> tuple[float, float, float, float] | None:
    """Cut a box off at the picture's border.

    Args:
        box: x0, y0, x1, y1 in pixels.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        where: What `problems` names: the file that holds the box.
        problems: A list that gets a line if the box was cut off by more than 2 pixels, or lies
            outside of the picture.

    Returns:
        The box inside the picture, or None if less than one pixel of it is there.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    cut = (max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1))
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        problems.append(
            f"{where}: box {[round(v, 1) for v in box]} lies outside the picture of "
            f"{width}x{height}; left out"
        )
        return None
    if max(abs(a - b) for a, b in zip(cut, (x0, y0, x1, y1), strict=True)) > 2:
        problems.append(
            f"{where}: box {[round(v, 1) for v in box]} crosses the border of "
            f"{width}x{height}; cut off"
        )
    return cut


def known_label(name: str, where: Path, problems: list[str], lenient: bool) -> str | None:
    """Return one of LABELS for a class name, or None for a region to ignore.

    Args:
        name: The set's own class name.
        where: The file that holds the name, for messages.
        problems: A list that gets a line for an unknown name, if `lenient`.
        lenient: Whether an unknown name counts as a region to ignore.

    Raises:
        UnknownLabelError: The name is unknown, and `lenient` is not set.
    """
    try:
        return label_from_class(name, where)
    except UnknownLabelError as error:
        if not lenient:
            raise
        problems.append(f"{error}; until then such faces are ignored")
        return None


def read_coco(
    annotations: Path, name: str, problems: list[str], lenient: bool = False
) -> list[Record]:
    """Read a COCO detection file.

    The pictures lie beside the file, or in images/ beside it. An annotation with `iscrowd: 1`
    becomes a region to ignore.

    Args:
        annotations: The JSON file.
        name: Name of the set.
        problems: A list that gets a line for everything that is left out.
        lenient: Whether faces of an unknown class are regions to ignore.

    Returns:
        A record for each picture.

    Raises:
        UnknownLabelError: A class is unknown, and `lenient` is not set.
    """
    content = json.loads(annotations.read_text(encoding="utf-8"))
    names = {c["id"]: c["name"] for c in content["categories"]}
    labels = {i: known_label(n, annotations, problems, lenient) for i, n in names.items()}
    by_picture = defaultdict(list)
    for annotation in content["annotations"]:
        by_picture[annotation["image_id"]].append(annotation)
    records = []
    for entry in content["images"]:
        path = next(
            (
                p
                for p in (
                    annotations.parent / "images" / entry["file_name"],
                    annotations.parent / entry["file_name"],
                )
                if p.is_file()
            ),
            None,
        )
        picture = read_picture(path) if path else None
        if path is None or picture is None:
            problems.append(
                f"{entry['file_name']}: named in {annotations} but "
                f"{'is not a readable picture' if path else 'not there'}; left out"
            )
            continue
        height, width = picture.shape[:2]
        faces = []
        for annotation in by_picture[entry["id"]]:
            x, y, w, h = annotation["bbox"]
            box = within((x, y, x + w, y + h), width, height, entry["file_name"], problems)
            if box is not None:
                label = labels[annotation["category_id"]]
                faces.append(
                    FaceRecord(box, label, label is None or bool(annotation.get("iscrowd")))
                )
        group = f"{name}/{Path(entry['file_name']).stem}"
        records.append(
            Record(name, str(path), group, split_of(group), width, height, True, None, tuple(faces))
        )
    return keep_given_splits(records, annotations.parent, {})


def read_voc(folder: Path, name: str, problems: list[str], lenient: bool = False) -> list[Record]:
    """Read Pascal VOC: one XML file for each picture, anywhere under the folder.

    Args:
        folder: The folder.
        name: Name of the set.
        problems: A list that gets a line for everything that is left out.
        lenient: Whether faces of an unknown class are regions to ignore.

    Returns:
        A record for each picture.

    Raises:
        UnknownLabelError: A class is unknown, and `lenient` is not set.
    """
    pictures = {p.stem: p for p in pictures_in(folder)}
    records = []
    for file in sorted(folder.rglob("*.xml")):
        try:
            # Expat bounds the expansion of entities since 2.4.1, and resolves no external ones.
            root = ElementTree.parse(file).getroot()  # noqa: S314
        except ElementTree.ParseError as error:
            problems.append(f"{file}: is not XML ({error}); left out")
            continue
        path = pictures.get(file.stem)
        picture = read_picture(path) if path else None
        if path is None or picture is None:
            problems.append(
                f"{file}: its picture is {'unreadable' if path else 'not there'}; left out"
            )
            continue
        height, width = picture.shape[:2]
        faces = []
        for item in root.iter("object"):
            label = known_label(item.findtext("name", ""), file, problems, lenient)
            edges = [
                float(item.findtext(f"bndbox/{key}", "nan"))
                for key in ("xmin", "ymin", "xmax", "ymax")
            ]
            box = within(edges, width, height, str(file), problems)
            if box is not None:
                faces.append(FaceRecord(box, label, label is None))
        group = f"{name}/{file.stem}"
        records.append(
            Record(name, str(path), group, split_of(group), width, height, True, None, tuple(faces))
        )
    return keep_given_splits(records, folder, {})


def read_class_folders(
    folder: Path,
    name: str,
    problems: list[str],
    groups: dict[str, str] | None = None,
    lenient: bool = False,
) -> list[Record]:
    """Read one folder for each class, in which each picture is one face.

    If `collect` wrote an index into the folder, the index says the group and the box of each crop.

    Args:
        folder: The folder that holds the class folders.
        name: Name of the set.
        problems: A list that gets a line for everything that is left out.
        groups: Source of each picture by `class/file`, where that is known.
        lenient: Whether an unknown class is left out, and an empty one allowed.

    Returns:
        A record for each picture.

    Raises:
        UnknownLabelError: A folder is no class, and `lenient` is not set.
        EmptyClassError: A class folder holds no picture, and `lenient` is not set.
    """
    records = []
    collected = (
        {Path(c.file).name: c for c in read_index(folder / INDEX)}
        if is_index(folder / INDEX)
        else {}
    )
    for child in sorted(p for p in folder.iterdir() if p.is_dir()):
        label = known_label(child.name, folder, problems, lenient)
        if label is None and lenient:
            continue
        pictures = pictures_in(child)
        if not pictures:
            empty = f"{child}: the class folder holds no picture; fill or remove the folder"
            if not lenient:
                raise EmptyClassError(empty)
            problems.append(empty)
        for path in pictures:
            picture = read_picture(path)
            if picture is None:
                problems.append(f"{path}: is not a readable picture; left out")
                continue
            height, width = picture.shape[:2]
            key = f"{child.name}/{path.name}"
            crop = collected.get(path.name)
            source = crop.group if crop else (groups or {}).get(key, key)
            box = within(crop.box, width, height, key, problems) if crop else None
            faces = (FaceRecord(box, label),) if box else ()
            group = f"{name}/{source}"
            records.append(
                Record(name, str(path), group, split_of(group), width, height, False, label, faces)
            )
    return keep_given_splits(records, folder, {})


def read_named(folder: Path, name: str, problems: list[str]) -> list[Record]:
    """Read pictures of one face each whose file names carry the label.

    Args:
        folder: The folder.
        name: Name of the set.
        problems: A list that gets a line for each picture whose name carries no label.

    Returns:
        A record for each picture whose name carries a label.

    Raises:
        UnknownLabelError: No file name carries a label.
    """
    records = []
    for path in pictures_in(folder):
        label = label_from_file_name(path.stem)
        picture = read_picture(path) if label else None
        if picture is None:
            why = (
                "is not a readable picture"
                if label
                else f"its name carries none of {', '.join(LABELS)}"
            )
            problems.append(f"{path}: {why}; left out")
            continue
        height, width = picture.shape[:2]
        group = f"{name}/{path.stem}"
        records.append(Record(name, str(path), group, split_of(group), width, height, False, label))
    if not records:
        raise UnknownLabelError(
            f"{folder}: no file name carries a label; rename the pictures (with_mask_001.jpg) or "
            "sort them into folders with_mask/ without_mask/ incorrect_mask/"
        )
    return records
