"""Class folders whose pictures are scenes and not faces: noticed, or cropped at their faces.

A classifier learns from faces. Of a picture in a class folder it sees the whole, so that a person
in a room would teach it the room.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from rich.progress import track

from training.graphs.face_finder import Face, FaceFinder
from training.records.pictures import Pixels, read_picture
from training.records.public_sets import LICENCES
from training.records.record import FaceRecord, Record

Find = Callable[[Pixels], list[Face]]
"""Finds the faces of a picture BGR u8 [H, W, 3], the largest first."""

SMALL = 0.4
"""Share of its picture's shorter side under which a face is a face in a scene.

A crop of `collect` has a margin, and its face takes 0.5 or more.
"""

LEAST_SCENE = 160
"""Least shorter side, in pixels, of a picture that is asked for small faces."""

LOOKED_AT = 30
"""Pictures of each class folder that are looked at, to notice scenes."""

_TELLING = 0.3
_BESIDE = 0.5
"""Share of the largest face's side that another face needs, to be a person whom the label means."""


@cache
def _shipped() -> FaceFinder:
    return FaceFinder()


def shipped(picture: Pixels) -> list[Face]:
    """Find faces with the detector that comes with the edge, loaded at the first picture."""
    return _shipped().find(picture)


def may_be_scene(record: Record) -> bool:
    """Return whether a picture of a user's class folder is large enough to be a scene."""
    large = min(record.width, record.height) >= LEAST_SCENE
    return large and record.crop is not None and not record.faces and record.set not in LICENCES


def is_scene(picture: Pixels, faces: list[Face]) -> bool:
    """Return whether even the largest face of a picture is much smaller than the picture.

    Args:
        picture: BGR u8 [H, W, 3].
        faces: Its faces, the largest first.
    """
    return bool(faces) and faces[0].side < SMALL * min(picture.shape[:2])


def warnings_of_scenes(records: list[Record], find: Find = shipped) -> list[str]:
    """Look at some pictures of each class folder, and warn of folders that hold scenes.

    Args:
        records: The pictures.
        find: Finds faces.

    Returns:
        A line for each folder in which three in ten pictures or more are scenes.
    """
    folders: dict[Path, list[Record]] = defaultdict(list)
    for record in filter(may_be_scene, records):
        folders[Path(record.path).parent].append(record)
    warnings = []
    for folder, members in folders.items():
        places = np.unique(np.linspace(0, len(members) - 1, LOOKED_AT).round().astype(int))
        pictures = [read_picture(Path(members[place].path)) for place in places]
        scenes = sum(is_scene(p, find(p)) for p in pictures if p is not None)
        if scenes >= _TELLING * len(pictures):
            warnings.append(
                f"{folder}: {scenes} of {len(pictures)} pictures that were looked at are scenes "
                "with small faces, and a classifier would learn the room; --crop-faces takes the "
                "faces alone"
            )
    return warnings


def cropped(records: list[Record], problems: list[str], find: Find = shipped) -> list[Record]:
    """Take the faces alone from pictures of class folders that are scenes.

    The files stay as they are: the record says where the faces are. A face that is at least half
    as large as the largest one of its picture has the folder's label; the others are not used.

    Args:
        records: The pictures.
        problems: A list that gets a line for each picture with several faces, and for each one
            without a face, which is left out.
        find: Finds faces.

    Returns:
        The records that stay.
    """
    kept = []
    for record in track(records, description="faces of scenes", transient=True):
        picture = read_picture(Path(record.path)) if may_be_scene(record) else None
        if picture is None:
            kept.append(record)
            continue
        faces = find(picture)
        if not faces:
            problems.append(f"{record.path}: no face was found; left out (--crop-faces)")
        elif not is_scene(picture, faces):
            kept.append(record)
        else:
            near = [f for f in faces if f.side >= _BESIDE * faces[0].side]
            named = tuple(FaceRecord(face.box, record.crop) for face in near)
            kept.append(replace(record, crop=None, faces=named))
            if len(near) > 1:
                problems.append(
                    f"{record.path}: {len(near)} faces, and all of them count as {record.crop}; "
                    "look at the sheet, and crop the picture yourself if one is not"
                )
    return kept
