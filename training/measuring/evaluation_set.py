"""The pictures that models are evaluated on: the validation split of `prepare`, or any folder.

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
"""Public sets whose boxes are from landmarks or a teacher, or that have none."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Records of pictures, and what was left out of them and why.

    Attributes:
        name: The folder, or "validation split of …".
        records: Of each picture.
        problems: A line for each thing that was left out or cut.
    """

    name: str
    records: list[Record]
    problems: list[str] = field(default_factory=list)

    def boxed(self) -> "EvaluationSet":
        """Keep the pictures in which people have boxed every face.

        Returns:
            The set of these pictures.

        Raises:
            EmptyClassError: There is no such picture.
        """
        chosen = [r for r in self.records if r.boxed and r.set not in NOT_BOXED_BY_PEOPLE]
        if not chosen:
            raise EmptyClassError(
                f"{self.name}: no picture with boxes; name a folder in COCO, VOC or YOLO layout "
                "with --data"
            )
        return replace(self, records=chosen)

    def pictures(self, doing: str) -> Iterator[tuple[Record, Pixels]]:
        """Read the pictures one by one, under a progress bar on standard error.

        Args:
            doing: What the bar says.

        Yields:
            Each record with its picture.

        Raises:
            MissingDataError: A picture can no longer be read.
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
    """Open the folder `data`, or the validation split of `prepared` where no folder is named.

    Args:
        prepared: The folder that `prepare` wrote.
        data: A folder in one of the public layouts.

    Returns:
        The pictures' records.

    Raises:
        MissingDataError: The folder, or what `prepare` writes, is not there.
        EmptyClassError: There is no readable picture.
        UnknownLayoutError: The folder is in no known layout.
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
