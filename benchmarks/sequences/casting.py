"""Casting: where the people of the sequences come from."""

from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.sequences.people import WEARS, Person, Wear, cut_out, mean_landmarks
from cloud.contract import Label
from edge.values import Box, Image
from training.errors import MissingDataError
from training.records.pictures import read_picture
from training.records.public_sets import read_sets
from training.records.record import FaceRecord, Record

LEAST_SIDE = 56
"""Shorter side in pixels of a face that is cut out; a smaller one would be enlarged too much."""

PORTRAIT_FACE = (172.0, 62.0, 272.0, 190.0)
"""The box of the face in scikit-image's portrait, in pixels."""


class Cast:
    """Hands out people, nobody twice until everybody had a turn.

    Args:
        people: Of all kinds.
        rng: Source of chance.
    """

    def __init__(self, people: Sequence[Person], rng: np.random.Generator) -> None:
        self._people = [people[int(i)] for i in rng.permutation(len(people))]

    def take(self, *wears: Wear) -> Person:
        """Return the next person who can show each of `wears`.

        Raises:
            MissingDataError: There is nobody.
        """
        for person in self._people:
            if person.can(*wears):
                self._people.remove(person)
                self._people.append(person)
                return person
        raise MissingDataError(
            f"nobody can show {', '.join(wears)}; name a folder with landmarks (keypoints/), or"
            " leave --data out for the drawn people"
        )


def drawn_people(count: int, rng: np.random.Generator) -> list[Person]:
    """Make people without any data.

    They are variants of the portrait of astronaut Eileen Collins (NASA, public domain) that
    scikit-image carries: mirrored, wider or narrower, of other colours; their masks are drawn.

    Args:
        count: How many.
        rng: Source of chance.

    Returns:
        The people; each can wear everything.
    """
    from skimage import data  # noqa: PLC0415 (only the development environment has it)

    portrait = np.ascontiguousarray(data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
    people = []
    for n in range(count):
        stretch = float(rng.uniform(0.92, 1.1))
        size = (round(512 * stretch), 512)
        picture = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        x0, y0, x1, y1 = PORTRAIT_FACE
        box = (x0 * stretch, y0, x1 * stretch, y1)
        if n % 2:
            picture = picture[:, ::-1]
            box = (size[0] - box[2], y0, size[0] - box[0], y1)
        tint = rng.uniform(0.75, 1.1) * rng.uniform(0.94, 1.06, 3)
        tinted = np.asarray(np.clip(picture * tint, 0, 255), np.uint8)
        people.append(
            cut_out(
                f"drawn-{n}",
                "drawn",
                np.ascontiguousarray(tinted),
                box,
                wear=Wear.BARE,
                points=mean_landmarks(box),
                rng=rng,
            )
        )
    return people


def people_of(
    data: Path, count: int, rng: np.random.Generator, without: Collection[str] = ()
) -> list[Person]:
    """Cut people out of the validation pictures of a folder.

    Half of them have landmarks, so that a mask can be drawn, where the folder has such pictures;
    the others wear what they wear.

    Args:
        data: A folder of the public sets, or of one set in a public layout.
        count: How many, at the most.
        rng: Source of chance.
        without: Names of people who are not to take part.

    Returns:
        The people.

    Raises:
        MissingDataError: No face is large enough.
    """
    marked: list[tuple[Record, FaceRecord]] = []
    worn: dict[str, list[tuple[Record, FaceRecord]]] = {str(label): [] for label in Label}
    for _, records in read_sets(data, [], only=("detection", "keypoints")):
        for record in records:
            if record.split != "validation" or record.group in without:
                continue
            for face in record.faces:
                if _is_usable(face, record):
                    known = len(face.points) == 68 and face.label == Label.WITHOUT_MASK
                    (marked if known else worn[str(face.label)]).append((record, face))
    chosen = _one_of_each_group(marked, count // 2, rng)
    each = -(-(count - len(chosen)) // len(worn))
    for of_label in worn.values():
        chosen += _one_of_each_group(of_label, each, rng)
    if not chosen:
        raise MissingDataError(f"{data}: no validation face of {LEAST_SIDE} px or more")
    people = []
    for record, face in chosen:
        picture = read_picture(Path(record.path))
        if picture is None:
            raise MissingDataError(
                f"{record.path} was there and readable and no longer is; run the command again"
            )
        points = np.array(face.points, np.float32) if len(face.points) == 68 else None
        people.append(
            cut_out(
                record.group,
                record.set,
                picture,
                face.box,
                wear=WEARS[Label(str(face.label))],
                points=points,
                rng=rng,
            )
        )
    return people


def _is_usable(face: FaceRecord, record: Record) -> bool:
    """Say whether a face is labelled, large, and alone where its head and shoulders are."""
    if face.label is None or face.ignore:
        return False
    x0, y0, x1, y1 = face.box
    wide, high = x1 - x0, y1 - y0
    if min(wide, high) < LEAST_SIDE or x0 < 0.1 * wide or x1 > record.width - 0.1 * wide:
        return False
    around = Box(x0 - 0.5 * wide, y0 - 0.5 * high, x1 + 0.5 * wide, y1 + 0.4 * high)
    others = (Box(*other.box) for other in record.faces if other is not face)
    return not any(around.cover(other) > 0.15 for other in others)


def _one_of_each_group(
    faces: list[tuple[Record, FaceRecord]], count: int, rng: np.random.Generator
) -> list[tuple[Record, FaceRecord]]:
    """Choose at most `count` faces, no two of one group."""
    groups: dict[str, tuple[Record, FaceRecord]] = {}
    for i in rng.permutation(len(faces)):
        groups.setdefault(faces[i][0].group, faces[i])
    return list(groups.values())[:count]


def backgrounds_of(data: Path | None, count: int, rng: np.random.Generator) -> list[Image]:
    """Return what stands behind the people: pictures without a face, or drawn walls.

    Args:
        data: A folder of the public sets; its validation negatives are used. None for walls.
        count: How many, at the most.
        rng: Source of chance.

    Returns:
        Pictures of any size.
    """
    folder = data / "negatives" / "bsds" if data is not None else None
    pictures: list[Image] = []
    if folder is not None and folder.is_dir():
        files = sorted(folder.glob("*.jpg"))
        for i in rng.permutation(len(files))[:count]:
            picture = read_picture(files[i])
            if picture is not None:
                # A door's wall is out of the camera's focus.
                pictures.append(np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), np.uint8))
    return pictures or [_wall(rng) for _ in range(count)]


def _wall(rng: np.random.Generator) -> Image:
    """Draw a wall with stains, a door frame and a notice."""
    wall = np.empty((480, 640, 3), np.float32)
    wall[:] = rng.uniform(90, 200) * rng.uniform(0.92, 1.08, 3)
    stains = rng.normal(0, 7, (8, 10)).astype(np.float32)
    wall += cv2.resize(stains, (640, 480), interpolation=cv2.INTER_CUBIC)[..., None]
    x = int(rng.integers(60, 560))
    colour = tuple(float(v) for v in rng.uniform(30, 200, 3))
    cv2.rectangle(wall, (x, 40), (x + int(rng.integers(60, 160)), 480), colour, -1)
    y = int(rng.integers(60, 200))
    cv2.rectangle(wall, (20, y), (90, y + 60), (235.0, 235.0, 230.0), -1)
    for row in range(5):
        cv2.line(wall, (28, y + 10 + row * 10), (80, y + 10 + row * 10), (60.0, 60.0, 60.0), 1)
    return np.asarray(np.clip(wall, 0, 255), np.uint8)
