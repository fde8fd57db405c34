"""The pictures that a measure is taken on: the validation split that `prepare` made, or any folder.

They are read one at a time, so that a large folder needs no large memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.errors import EmptyClassError, MissingDataError
from training.records.any_layout import read_any_layout
from training.records.pictures import Pixels, read_picture
from training.records.record import Record, read_records

NOT_BOXED_BY_PEOPLE = frozenset(
    {"keypoints", "masked_people", "negatives", "portraits_cc_by", "crops", "gender"}
)
"""Public sets whose boxes nobody drew: they are from landmarks or a teacher, or not there."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Records, where they are from, and what was left out of them and why.

    Attributes:
        name: The folder, or "validation split of …".
        records: Of each picture.
        problems: One line for each thing left out or cut.
    """

    name: str
    records: list[Record]
    problems: list[str] = field(default_factory=list)

    def boxed(self) -> "EvaluationSet":
        """The pictures whose faces were all boxed by people. Raises EmptyClassError."""
        chosen = [r for r in self.records if r.boxed and r.set not in NOT_BOXED_BY_PEOPLE]
        if not chosen:
            raise EmptyClassError(
                f"{self.name}: no picture with boxes; name a folder in COCO, VOC or YOLO layout "
                "with --data"
            )
        return replace(self, records=chosen)

    def pictures(self, doing: str) -> Iterator[tuple[Record, Pixels]]:
        """Each record with its picture, under a progress bar. Raises MissingDataError where one
        that was readable is no longer.
        """
        # The bar is for people: standard output is for the figures.
        bar = track(self.records, doing, console=Console(stderr=True), transient=True)
        for record in bar:
            picture = read_picture(Path(record.path))
            if picture is None:
                raise MissingDataError(
                    f"{record.path} was there and readable and no longer is; run the command again"
                )
            yield record, picture


def open_evaluation_set(prepared: Path, data: Path | None) -> EvaluationSet:
    """The folder `data`, all of it, or else the validation split of `prepared`.

    Raises:
        MissingDataError: Neither is there.
        EmptyClassError: Not one readable picture.
        UnknownLayoutError: The folder is in no layout that we read.
    """
    if data is not None:
        problems: list[str] = []
        records = read_any_layout(data, data.name, problems, lenient=True)
        if not records:
            raise EmptyClassError(
                f"{data}: not one readable picture; " + ("; ".join(problems[:3]) or "fill it")
            )
        return EvaluationSet(str(data), records, problems)
    kept = [r for r in read_records(prepared / "records.jsonl") if r.split == "validation"]
    if not kept:
        raise EmptyClassError(
            f"{prepared}: the validation split is empty; add pictures from more sources and run "
            "prepare again"
        )
    return EvaluationSet(f"validation split of {prepared}", kept)
