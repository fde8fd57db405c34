"""The Pascal VOC layout: one XML file for each picture."""

from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from training.records.layouts.set_reader import SetReader, within
from training.records.pictures import pictures_in
from training.records.record import Record


def _edge(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def read_voc(reader: SetReader) -> list[Record]:
    """Read each XML file anywhere under the set's folder, with the picture of the same name.

    Args:
        reader: The set.

    Returns:
        A record for each picture.
    """
    pictures: dict[str, list[Path]] = defaultdict(list)
    for path in pictures_in(reader.folder):
        pictures[path.stem].append(path)
    records = []
    for file in sorted(reader.folder.rglob("*.xml")):
        try:
            # Expat bounds the expansion of entities since 2.4.1, and resolves no external ones.
            root = ElementTree.parse(file).getroot()  # noqa: S314
        except ElementTree.ParseError as error:
            reader.problems.append(f"{file}: is not XML ({error}); left out")
            continue
        candidates = pictures[file.stem]
        beside = [p for p in candidates if p.parent == file.parent] or candidates
        if len(beside) != 1:
            why = f"{len(beside)} pictures have its name" if beside else "its picture is not there"
            reader.problems.append(f"{file}: {why}; left out")
            continue
        path = beside[0]
        picture = reader.open(path)
        if picture is None:
            continue
        height, width = picture.shape[:2]
        faces = []
        for item in root.iter("object"):
            edges = [_edge(item.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax")]
            box = within(edges, width, height, str(file), reader.problems)
            if box is not None:
                faces.append(reader.face(box, item.findtext("name", ""), file))
        records.append(reader.scene(path, picture, faces))
    return reader.finished(records, "has no .xml of its name")
