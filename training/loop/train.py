"""The training loop: it spends a time budget, and the learning rate ends low whenever it ends.

The learning rate follows the share of the budget that is spent, so a run of any length ends with
the lowest rate.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader

from training.loop.journal import State
from training.loop.run import Options, Run, Stream, Task
from training.loop.trainer import Trainer

SHOWN_EVERY_S = 0.5
"""Seconds between two readings of the losses, each of which waits for the device."""

_PREFETCHED = 6
"""Batches that each worker process makes in advance."""


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM, so that the step is finished and saved before the run ends.

    Outside the main thread signals keep their handlers.

    Yields:
        A list that holds the number of each signal that has arrived.
    """
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {
        s: signal.signal(s, lambda number, _: signals.append(number))
        for s in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_signals(_: int) -> None:
    # Ctrl-C reaches every process of the terminal, and systemd's SIGTERM every process of the
    # service. The training process ends its workers itself, also where it is killed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _batches(stream: Stream, run: Run, options: Options) -> Iterator[Any]:
    """Start to make the run's batches, with another seed in each process and after each resumption.

    Worker processes make the samples, because threads would share the interpreter with the
    optimiser step.

    Args:
        stream: Makes the endless stream of batches.
        run: How far the run is.
        options: How the run is carried out.

    Returns:
        The batches.
    """
    # The workers are forked, and OpenCV's threads do not survive a fork: a call that needs them
    # would wait for ever.
    cv2.setNumThreads(1)
    process, workers = options.process, options.workers
    seed = run.configuration.seed + 1000 * (run.steps * process.world_size + process.rank)
    return iter(
        DataLoader(
            stream(seed, process.share(run.configuration.batch)),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_PREFETCHED if workers else None,
            pin_memory=process.device.type == "cuda",
            worker_init_fn=_leave_signals,
        )
    )


def train(model: nn.Module, stream: Stream, task: Task, run: Run, options: Options) -> Run:
    """Train until `run.minutes` of wall time are used up.

    The run's folder gets `best.pt` (the averaged weights of the best evaluation), `last.pt` (to
    resume from) and the journal's files. Of several processes each learns from its share of every
    batch, and the main process evaluates and writes. SIGINT or SIGTERM ends the run early, with a
    `last.pt`.

    Args:
        model: The model to train.
        stream: Makes the endless stream of batches.
        task: The loss, the evaluation and the figure to improve.
        run: How far the run is.
        options: How the run is carried out.

    Returns:
        `run`, as far as it came.

    Raises:
        MissingCheckpointError: The run is to be resumed, and there is no `last.pt`.
        ConfigurationMismatchError: `last.pt` was written under another configuration.
        BudgetSpentError: `last.pt` has used up the minutes.
        DeviceError: The processes cannot share a batch of this size.
        DivergedError: A loss is no number; the earlier checkpoints stay.
        StorageError: The disk is full; the earlier checkpoints stay.
    """
    process = options.process
    console = options.console if process.is_main else Console(quiet=True)
    trainer = Trainer(model, task, run, options)
    if options.resume:
        trainer.restore()
        console.print(f"resumed at {run.elapsed / 60:.1f} minutes, {run.samples} samples")
    batches = _batches(stream, run, options)
    state = State.STOPPED
    try:
        with _asked_to_stop() as signals:
            if _spend(trainer, batches, options.every, console, signals):
                state = State.ENDED
                if process.is_main:
                    console.print(trainer.evaluate())
                    for advice in run.summary(task.goal).advice:
                        console.print(f"[yellow]too short:[/] {advice}", highlight=False)
            elif process.is_main:
                trainer.save({})
                console.print(f"stopped at {run.elapsed / 60:.1f} minutes; go on with --resume")
    finally:
        if trainer.journal:
            trainer.journal.close(state)
    return run


def _spend(
    trainer: Trainer, batches: Iterator[Any], every: float, console: Console, signals: list[int]
) -> bool:
    """Step until the budget is spent. Return False where a signal arrived first."""
    run, process = trainer.run, trainer.process
    start, before, budget = time.monotonic(), run.elapsed, run.minutes * 60
    samples_before, shown, due = run.samples, -1.0, run.elapsed + every * 60
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(run.configuration.kind, total=budget)
        stopping = 0.0
        while run.elapsed < budget and not stopping:
            trainer.step(next(batches))
            run.elapsed, stopping = process.broadcast(
                before + time.monotonic() - start, len(signals)
            )
            if process.is_main and run.elapsed - shown > SHOWN_EVERY_S:
                shown, losses = run.elapsed, trainer.losses
                pace = (run.samples - samples_before) / max(1e-3, run.elapsed - before)
                if trainer.journal:
                    trainer.journal.progress(run.elapsed, run.samples, pace, losses)
                said = " ".join(f"{k} {v:.3f}" for k, v in losses.items())
                description = f"{run.configuration.kind} {pace:.0f}/s {said}"
                progress.update(bar, completed=run.elapsed, description=description)
            if due <= run.elapsed < budget and not stopping:
                if process.is_main:
                    console.print(trainer.evaluate())
                due = run.elapsed + every * 60
    return not stopping
