"""The pictures that models are evaluated on: a split that `prepare` made, or any folder.

If there is a test split, figures are taken on it, and thresholds are chosen on validation.

They are read one at a time, so that a large folder needs no large memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from training.errors import EmptyClassError, MissingDataError
from training.records.any_layout import read_any_layout
from training.records.pictures import Pixels, read_picture
from training.records.record import Record, read_records


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Records of pictures, and what was left out of them and why.

    Attributes:
        name: The folder, or "test split of …" or "validation split of …".
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
        chosen = [r for r in self.records if boxed_by_people(r)]
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


def boxed_by_people(record: Record) -> bool:
    """Return whether people have boxed every face of a picture."""
    return record.boxed and record.by_people


def labelled(record: Record) -> bool:
    """Return whether a picture shows a face with a label."""
    return record.crop is not None or any(f.label and not f.ignore for f in record.faces)


def measured_split(records: Iterable[Record], usable: Callable[[Record], bool]) -> str:
    """Return the split that figures are taken on.

    Args:
        records: The pictures that `prepare` wrote.
        usable: Whether a picture can be measured on.

    Returns:
        `test` if that split holds a usable picture, else `validation`.
    """
    locked = any(r.split == "test" and usable(r) for r in records)
    return "test" if locked else "validation"


def open_evaluation_set(
    prepared: Path,
    data: Path | None,
    usable: Callable[[Record], bool] = labelled,
    labels: Mapping[str, str] | None = None,
) -> EvaluationSet:
    """Open the folder `data`, or a split of `prepared` where no folder is named.

    Args:
        prepared: The folder that `prepare` wrote.
        data: A folder in one of the public layouts.
        usable: Whether a picture can be measured on. The test split is opened if it holds such a
            picture, else the validation split.
        labels: What the names of labels in `data` stand for.

    Returns:
        The pictures' records.

    Raises:
        MissingDataError: The folder, or what `prepare` writes, is not there.
        EmptyClassError: There is no readable picture.
        UnknownLayoutError: The folder is in no known layout.
    """
    if data is not None:
        problems: list[str] = []
        records = read_any_layout(data, data.name, problems, lenient=True, own_labels=labels)
        if not records:
            raise EmptyClassError(
                f"{data}: not one readable picture; " + ("; ".join(problems[:3]) or "fill it")
            )
        return EvaluationSet(str(data), records, problems)
    everything = list(read_records(prepared / "records.jsonl"))
    split = measured_split(everything, usable)
    kept = [r for r in everything if r.split == split]
    if not kept:
        raise EmptyClassError(
            f"{prepared}: the validation split is empty; add pictures from more sources and run "
            "prepare again"
        )
    return EvaluationSet(f"{split} split of {prepared}", kept)
