"""python -m benchmarks: all rows, as a table and as JSON."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import api, judging_speed, memory, rows, worker
from demo.deployment import ROOT
from edge.loaded_models import load
from edge.settings import Settings


def _edge(seconds: float, folder: Path) -> dict[str, rows.Row]:
    """The edge measures itself; a process of its own, as at a door."""
    out = folder / "edge.json"
    command = [sys.executable, "-m", "edge", "bench", "--json", str(out), "--seconds", str(seconds)]
    subprocess.run(command, cwd=ROOT, check=True)
    return rows.read(out)


def main(
    out: Annotated[Path, typer.Option("--json", help="The file for machines")] = (
        ROOT / "var" / "bench.json"
    ),
    seconds: Annotated[float, typer.Option(help="How long each measurement lasts", min=0.2)] = 8.0,
    stored: Annotated[
        int, typer.Option(help="Events that are put into memory at the most", min=memory.MARKS[0])
    ] = memory.MARKS[-1],
    peer: Annotated[
        Path | None, typer.Option(help="AIZOO's aizoo_ssd260.pb, to be run beside the edge")
    ] = None,
) -> None:
    """Measure edge, API, worker and memory here. Machines differ: compare ratios, not figures."""
    with tempfile.TemporaryDirectory() as folder:
        measured = {
            **_edge(seconds, Path(folder)),
            **judging_speed.rows(load(Settings(), mirror=False), peer),
            **api.rows(Path(folder) / "cloud", seconds),
            **worker.rows(Path(folder) / "worker"),
            **memory.rows(Path(folder) / "memory", stored),
        }
    rows.write(measured, out)
    Console().print(rows.as_table(measured))
    typer.echo(f"written to {out}")


if __name__ == "__main__":
    typer.run(main)
