"""python -m benchmarks.soak: memory, handles and threads of the edge's pipeline over a long run.

The bundled clip is decoded again and again as a camera of 15 frames/s, and goes through capture,
models, tracking and the outbox on the disk, whose events are taken away as a cloud would take them.
"""

import csv
import gc
import math
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

import cv2
import matplotlib
import numpy as np
import psutil
import typer

from demo.clip import BUNDLED
from demo.deployment import ROOT
from edge.bench import CountingObserver
from edge.capture.camera import Camera
from edge.capture.sources import Source, SourceKind
from edge.delivery.outbox import Outbox
from edge.delivery.writer import OutboxWriter
from edge.loaded_models import LoadedModels, load
from edge.pipeline import Pipeline
from edge.settings import Settings, Stills
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Image
from training.storage import write_json

matplotlib.use("Agg")
from matplotlib import pyplot

FPS = 15.0
EVERY_S = 10.0
"""Seconds between two samples."""

WARM_UP = 0.1
"""Share of the run that the slope leaves out: caches fill, and allocators take their arenas."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment.

    Attributes:
        at_s: Seconds since the start.
        memory_mib: Resident memory.
        handles: Open file descriptors.
        threads: Of the process.
        frames_s: Judged frames per second since the sample before.
        verdicts: Since the start.
    """

    at_s: float
    memory_mib: float
    handles: int
    threads: int
    frames_s: float
    verdicts: int


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through samples, by least squares.

    Attributes:
        per_hour: Of the line.
        error: The slope's 95 % interval is `per_hour` ± this.
    """

    per_hour: float
    error: float

    @property
    def is_flat(self) -> bool:
        """Whether 0 lies within the interval."""
        return abs(self.per_hour) <= self.error


def slope_of(samples: Sequence[tuple[float, float]]) -> Slope:
    """Fit a line.

    Neighbouring samples of a process are alike, so the plain error of a fit would be too small. It
    is widened by the correlation r of neighbouring residuals, by √((1 + r) / (1 - r)) (Santer et
    al., Statistical significance of trends, 2000, equation 6).

    Args:
        samples: (seconds, value), three or more.

    Returns:
        The slope and its error; an infinite error for fewer samples.
    """
    least = 3
    if len(samples) < least:
        return Slope(0.0, math.inf)
    hours = np.array([at for at, _ in samples]) / 3600
    values = np.array([value for _, value in samples])
    values -= values.mean()
    centred = hours - hours.mean()
    spread = float((centred**2).sum())
    per_hour = float((centred * values).sum()) / spread
    rest = values - per_hour * centred
    variance = float((rest**2).sum()) / (len(samples) - 2)
    alike = 0.0
    if variance > 0:
        alike = min(0.95, max(0.0, float((rest[1:] * rest[:-1]).sum() / (rest**2).sum())))
    error = 1.96 * math.sqrt(variance / spread * (1 + alike) / (1 - alike))
    return Slope(per_hour, error)


class LoopedClip:
    """Decodes a clip again and again, at the pace of a camera."""

    fps: float | None = None
    length: int | None = None
    position_s: float | None = None

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._step_s = 1 / fps
        self._capture = cv2.VideoCapture(str(path))
        self._next = time.monotonic()

    def read(self) -> Image | None:
        """Wait for the time of the next frame, and decode it."""
        self._next = max(self._next + self._step_s, time.monotonic() - 1.0)
        time.sleep(max(0.0, self._next - time.monotonic()))
        found, image = self._capture.read()
        if not found:
            self._capture.release()
            self._capture = cv2.VideoCapture(str(self._path))
            found, image = self._capture.read()
        return np.asarray(image, np.uint8) if found else None

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def run(models: LoadedModels, seconds: float, every_s: float = EVERY_S) -> list[Sample]:
    """Run the pipeline, and look at the process again and again.

    Args:
        models: Of the edge.
        seconds: How long.
        every_s: Seconds between two samples.

    Returns:
        The samples.

    Raises:
        EdgeError: A part of the pipeline failed.
    """
    observer = CountingObserver()
    verdicts = 0
    with tempfile.TemporaryDirectory() as folder, Outbox(Path(folder) / "outbox.db") as outbox:
        camera = Camera(Source(SourceKind.DEVICE, "clip"), opener=lambda: LoopedClip(BUNDLED, FPS))
        with OutboxWriter(outbox) as writer, camera:
            pipeline = Pipeline(
                camera=camera,
                detector=models.detector,
                classifier=models.classifier,
                sightings=SightingTracker(
                    VotingRules(certain_threshold=models.detector.certain_threshold)
                ),
                writer=writer,
                observer=observer,
                max_faces=4,
                stills=StillsCheck(Stills.MOTIONLESS),
            )
            failures: list[Exception] = []
            thread = threading.Thread(target=_Guarded(pipeline, failures), name="pipeline")
            thread.start()
            process, samples = psutil.Process(), []
            begun = last = time.monotonic()
            frames = 0
            while last - begun < seconds and not failures:
                time.sleep(min(every_s, seconds))
                while (waiting := outbox.peek()) is not None:
                    outbox.ack(waiting.id)
                    verdicts += 1
                gc.collect()
                now, judged = time.monotonic(), observer.frames
                rate = (judged - frames) / (now - last)
                last, frames = now, judged
                samples.append(_sample(process, now - begun, rate, verdicts))
            camera.stop()
            thread.join()
    if failures:
        raise failures[0]
    return samples


class _Guarded:
    """Runs a pipeline, and keeps its failure for the thread that waits."""

    def __init__(self, pipeline: Pipeline, failures: list[Exception]) -> None:
        self._pipeline, self._failures = pipeline, failures

    def __call__(self) -> None:
        try:
            self._pipeline.run()
        except Exception as error:  # noqa: BLE001 - not swallowed: `run` raises it
            self._failures.append(error)


def _sample(process: psutil.Process, at_s: float, frames_s: float, verdicts: int) -> Sample:
    return Sample(
        round(at_s, 1),
        round(process.memory_info().rss / 2**20, 3),
        process.num_fds(),
        process.num_threads(),
        round(frames_s, 2),
        verdicts,
    )


def slopes(samples: Sequence[Sample]) -> dict[str, Slope]:
    """Return the slopes of memory, handles and threads, without the warm-up."""
    kept = samples[math.ceil(len(samples) * WARM_UP) :]
    return {
        "memory_mib": slope_of([(s.at_s, s.memory_mib) for s in kept]),
        "handles": slope_of([(s.at_s, float(s.handles)) for s in kept]),
        "threads": slope_of([(s.at_s, float(s.threads)) for s in kept]),
    }


def save(samples: Sequence[Sample], found: dict[str, Slope], out: Path) -> list[Path]:
    """Write the samples as CSV and JSON, and as a graph.

    Args:
        samples: Of one run.
        found: The slopes.
        out: The files' name without its ending.

    Returns:
        The files.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    table, data, graph = (out.with_suffix(end) for end in (".csv", ".json", ".png"))
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, [each.name for each in fields(Sample)])
        rows.writeheader()
        rows.writerows(asdict(sample) for sample in samples)
    told = {name: {**asdict(s), "is_flat": s.is_flat} for name, s in found.items()}
    write_json({"slopes_per_hour": told, "samples": [asdict(s) for s in samples]}, data)
    figure, axes = pyplot.subplots(4, 1, sharex=True, figsize=(8, 8), layout="constrained")
    minutes = [sample.at_s / 60 for sample in samples]
    for axis, name in zip(axes, ("memory_mib", "handles", "threads", "frames_s"), strict=True):
        axis.plot(minutes, [getattr(sample, name) for sample in samples])
        axis.set_ylabel(name.replace("_", " "))
        if name in found:
            axis.set_title(
                f"{found[name].per_hour:+.2f} ± {found[name].error:.2f} an hour", fontsize=9
            )
    axes[-1].set_xlabel("minutes")
    figure.savefig(graph, dpi=110)
    pyplot.close(figure)
    return [table, data, graph]


def main(
    *,
    minutes: Annotated[float, typer.Option(help="How long to run.", min=0.05)] = 60.0,
    out: Annotated[Path, typer.Option(help="Files' name without its ending.")] = (
        ROOT / "var" / "soak"
    ),
    every: Annotated[float, typer.Option(help="Seconds between samples.", min=0.1)] = EVERY_S,
) -> None:
    """Run the edge's pipeline for a long time, and say whether memory, handles or threads grow."""
    models = load(Settings(), mirror=False)
    models.make_ready()
    samples = run(models, minutes * 60, every)
    found = slopes(samples)
    files = save(samples, found, out)
    for name, slope in found.items():
        word = "flat" if slope.is_flat else "NOT FLAT"
        typer.echo(f"{name}: {slope.per_hour:+.2f} ± {slope.error:.2f} an hour, {word}")
    last = samples[-1]
    typer.echo(
        f"{last.memory_mib:.0f} MiB, {last.frames_s:.1f} frames/s, {last.verdicts} verdicts in"
        f" {last.at_s / 60:.1f} minutes; {', '.join(str(file) for file in files)}"
    )


if __name__ == "__main__":
    typer.run(main)
