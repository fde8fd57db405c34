"""`prepare`: from sets of pictures to records.

The sets are read, duplicates are joined, the pictures are split into training and validation, and
everything is counted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.errors import EmptyClassError
from training.preparing.class_splits import in_every_split
from training.preparing.class_statistics import class_statistics, draw_sheets, draw_statistics
from training.preparing.pseudo_labels import PseudoLabeller
from training.preparing.scene_faces import cropped, warnings_of_scenes
from training.preparing.summary import duplicates_of, summary_of, tell, tell_folders
from training.records.duplicates import (
    Joined,
    contradictions,
    find_pairs,
    join,
    write_pairs,
)
from training.records.folders import UNLABELLED, SetFolder, read_folders
from training.records.inspection import inspect
from training.records.label_names import LabelNames
from training.records.record import Record, write_records
from training.storage import atomic_write, write_json

TEACHABLE = {"portraits_cc_by", "masked_people", "gender", "crops"}


def kept_once(
    records: list[Record], joined: Joined, doubtful: set[int], problems: list[str]
) -> list[int]:
    """Decide which pictures stay, and name each copy that a stricter split holds.

    Args:
        records: The pictures.
        joined: What is known of their duplicates.
        doubtful: The places of pictures that have two labels.
        problems: A list that gets a line for each copy that is left out.

    Returns:
        The places of the pictures that stay.
    """
    for place, other in joined.left_out.items():
        where = joined.records[other]
        problems.append(
            f"{records[place].path}: left out, because the {where.split} split holds the same "
            f"picture, or nearly: {where.path}"
        )
    return [i for i in range(len(records)) if i not in doubtful and i not in joined.left_out]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user may say about the pictures.

    Attributes:
        teacher: YuNet's ONNX file, which finds faces in pictures without boxes; or None.
        test_share: Share of the groups, 0…1, that is kept for a test split. Pictures whose split
            their folders name are not asked.
        validation: Folders whose pictures are for validation alone.
        labels: What the user's own names of labels stand for.
        crop_faces: Whether scenes in class folders are cropped at their faces.
    """

    teacher: Path | None = None
    test_share: float = 0.0
    validation: tuple[Path, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    crop_faces: bool = False


def _read(
    data: Path, wishes: Wishes, problems: list[str], console: Console
) -> tuple[list[SetFolder], list[Record]]:
    """Read all folders, and let the teacher find faces."""
    labels = LabelNames(wishes.labels)
    folders: list[SetFolder] = []
    for folder in read_folders(data, labels, wishes.validation, problems):
        folders.append(folder)
        console.print(f"{folder.name}: {len(folder.records)} pictures", highlight=False)
    labels.check()
    labeller = PseudoLabeller(wishes.teacher) if wishes.teacher else None
    records: list[Record] = []
    for folder in folders:
        if folder.pictures and not folder.records:
            raise EmptyClassError(
                f"{folder.folder}: no readable picture; see the layouts in docs/models.md"
            )
        if labeller and (folder.name in TEACHABLE or folder.taken_for == UNLABELLED):
            taught = track(folder.records, description=f"faces of {folder.name}", transient=True)
            records += [labeller.label(r) if r.crop != "with_mask" else r for r in taught]
        elif folder.taken_for == UNLABELLED:
            problems.append(
                f"{folder.folder}: {len(folder.records)} pictures without labels are left out; "
                "sort them into class folders, label them, or name YuNet's file with --teacher"
            )
        else:
            records += folder.records
    return folders, records


def prepare(data: Path, prepared: Path, wishes: Wishes, console: Console) -> dict[str, object]:
    """Write records.jsonl, problems.txt, summary.json and the report.

    Args:
        data: Folder of the sets.
        prepared: Folder that the files go to.
        wishes: What the user says about the pictures.
        console: Where people read about it.

    Returns:
        The content of summary.json.

    Raises:
        MissingDataError: A folder or the teacher's file does not exist.
        UnknownLayoutError: `data` is in none of the layouts.
        UnknownLabelError: Names of labels are unknown.
        EmptyClassError: A set or a class holds no readable picture.
    """
    problems: list[str] = []
    folders, records = _read(data, wishes, problems, console)
    if wishes.crop_faces:
        records = cropped(records, problems)
    records, inspected = inspect(records, problems)
    pairs = find_pairs(records, inspected)
    write_pairs(records, pairs, prepared / "duplicates.csv")
    joined = join(records, pairs, wishes.test_share)
    doubtful = contradictions(records, pairs, problems)
    kept = kept_once(records, joined, doubtful, problems)
    inspected = inspected.only(kept)
    wanted = ("train", "validation", "test") if wishes.test_share else ("train", "validation")
    records = in_every_split([joined.records[i] for i in kept], wanted, problems)
    if not records:
        raise EmptyClassError(f"{data}: no picture is left; {problems[-1]}")

    summary = summary_of(records, data, joined, len(problems), wishes.teacher is not None)
    write_records(records, prepared / "records.jsonl")
    with atomic_write(prepared / "problems.txt") as out:
        out.write("".join(f"{p}\n" for p in problems).encode())
    write_json(summary, prepared / "summary.json")
    seen = class_statistics(inspected)
    duplicates = duplicates_of(pairs, joined, len(doubtful))
    draw_statistics(records, inspected, prepared / "report.png")
    warnings = [*warnings_of_scenes(records), *seen["warnings"]]
    write_json(
        {**summary, **seen, "warnings": warnings, "duplicates": duplicates},
        prepared / "report.json",
    )
    drawings = [prepared / "report.png", *draw_sheets(records, prepared)]
    tell_folders(console, data, folders, records)
    tell(
        console,
        records,
        problems=problems,
        duplicates=duplicates,
        warnings=warnings,
        drawings=drawings,
    )
    return summary


def prepared_templates(prepared: Path) -> Path | None:
    """Return the folder of mask pictures that lay among the prepared sets; None without one."""
    file = prepared / "summary.json"
    found = json.loads(file.read_text()).get("mask_templates") if file.is_file() else None
    return Path(found) if found else None
