"""The report: counts by kind and by rate, for people and for machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.table import Table

from benchmarks.sequences.scoring import Tally


@dataclass(slots=True)
class Report:
    """What a run counted.

    Attributes:
        data: What the people are from.
        seed: Of the sequences.
        by_kind: Counts of each kind, over all rates.
        by_variant: Counts of each variant of a kind.
        by_rate: Counts of each rate in frames a second, over all kinds.
        by_kind_and_rate: Counts of each kind at each rate.
        people: Counts of the clips that show no picture of a person.
    """

    data: str
    seed: int
    by_kind: dict[str, Tally] = field(default_factory=dict)
    by_variant: dict[str, Tally] = field(default_factory=dict)
    by_rate: dict[str, Tally] = field(default_factory=dict)
    by_kind_and_rate: dict[str, Tally] = field(default_factory=dict)
    people: Tally = field(default_factory=Tally)

    def add(
        self, kind: str, variant: str, rate: int, tally: Tally, *, shows_picture: bool = False
    ) -> None:
        """Add the counts of one clip at one rate."""
        if not shows_picture:
            self.people.add(tally)
        for rows, name in (
            (self.by_kind, kind),
            (self.by_variant, f"{kind}: {variant}"),
            (self.by_rate, f"{rate} frames/s"),
            (self.by_kind_and_rate, f"{kind} at {rate} frames/s"),
        ):
            rows.setdefault(name, Tally()).add(tally)

    @property
    def total(self) -> Tally:
        """The counts of all clips."""
        whole = Tally()
        for tally in self.by_kind.values():
            whole.add(tally)
        return whole

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "data": self.data,
            "seed": self.seed,
            "total": self.total.as_json(),
            "people": self.people.as_json(),
            "by_kind": _json(self.by_kind),
            "by_variant": _json(self.by_variant),
            "by_rate": _json(self.by_rate),
            "by_kind_and_rate": _json(self.by_kind_and_rate),
        }

    def tables(self) -> list[Table]:
        """For people: by kind, and by rate."""
        by_kind = {**self.by_kind, "without pictures of people": self.people, "all": self.total}
        title = f"Made sequences, {self.data}, seed {self.seed}, at all frame rates"
        return [_table(title, "kind", by_kind), _table("By rate", "rate", self.by_rate)]


def _json(rows: Mapping[str, Tally]) -> dict[str, object]:
    return {name: tally.as_json() for name, tally in rows.items()}


def _table(title: str, first: str, rows: Mapping[str, Tally]) -> Table:
    table = Table(first, title=title)
    for name in (
        "sightings",
        "right",
        "wrong",
        "missing",
        "double",
        "second passes",
        "false admits",
        "false refusals",
        "strays",
        "seconds p50 / p95",
    ):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        median, late = row.delay_s(50), row.delay_s(95)
        table.add_row(
            name,
            str(row.sightings),
            f"{row.right} ({row.right / max(1, row.sightings):.0%})",
            str(row.wrong),
            str(row.missing),
            str(row.double),
            str(row.second_passes),
            f"{row.false_admits}/{row.may_not_pass}",
            f"{row.false_refusals}/{row.may_pass}",
            str(row.strays),
            "" if median is None or late is None else f"{median:.2f} / {late:.2f}",
        )
    return table
