"""The training loop: it spends a budget, and the learning rate ends low whenever it ends.

The budget is a time, in which validations do not count, or a number of steps. The learning rate
follows the share of the budget that is spent, so a run of any length ends with the lowest rate.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader

from training.loop.journal import State
from training.loop.preview import write_preview
from training.loop.run import Options, Run, Stream, Task
from training.loop.run_folder import new_run_folder
from training.loop.trainer import Trainer

SHOWN_EVERY_S = 0.5
"""Seconds between two readings of the losses, each of which waits for the device."""

VALIDATIONS = 10
"""Validations of a run whose steps are limited."""

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
    """Train until `run.minutes`, or `run.most_steps`, are used up.

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
    if process.is_main and not options.resume and options.numbered:
        usual, run.folder = run.folder, new_run_folder(run.folder)
        console.print(f"run: {run.folder}; {usual} links to it", soft_wrap=True, highlight=False)
    if process.is_main and not options.resume and task.samples:
        write_preview(task.samples(), run.folder)
    trainer = Trainer(model, task, run, options)
    if options.resume:
        trainer.restore()
        console.print(f"resumed at {run.elapsed / 60:.1f} minutes, {run.samples} samples")
    # What chance decides within the network (dropout) differs between processes.
    torch.manual_seed(
        run.configuration.seed + 1000 * (run.steps * process.world_size + process.rank)
    )
    batches = _batches(stream, run, options)
    state = State.STOPPED
    try:
        with _asked_to_stop() as signals:
            if _spend(trainer, batches, options, console, signals):
                state = State.ENDED
                if process.is_main:
                    if not run.history or run.history[-1]["samples"] < run.samples:
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


class _Validations:
    """When a run is validated, and whether it goes on after that."""

    def __init__(self, run: Run, options: Options) -> None:
        self._run, self._options = run, options
        self._due = self._next()
        self.without_gain = 0

    def _next(self) -> float:
        run = self._run
        if run.most_steps is None:
            return run.elapsed + self._options.every * 60
        length = max(1, run.most_steps // VALIDATIONS)
        return float((run.steps // length + 1) * length)

    @property
    def due(self) -> bool:
        """Whether a validation is due before the last one, which ends the run."""
        run = self._run
        spent = run.elapsed if run.most_steps is None else run.steps
        return self._due <= spent and run.progress < 1

    def validated(self, best_before: float) -> bool:
        """Count a validation. Return whether it was one too many without a better goal."""
        self._due = self._next()
        self.without_gain = 0 if self._run.best > best_before else self.without_gain + 1
        patience = self._options.patience
        return patience is not None and self.without_gain >= patience


def _spend(
    trainer: Trainer, batches: Iterator[Any], options: Options, console: Console, signals: list[int]
) -> bool:
    """Step until the budget is spent, or patience is. Return False where a signal arrived first."""
    run, process = trainer.run, trainer.process
    start, before = time.monotonic(), run.elapsed
    judging, ended_early = 0.0, False
    validations = _Validations(run, options)
    samples_before, shown = run.samples, -1.0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(run.configuration.kind, total=1.0)
        stopping = 0.0
        while run.progress < 1 and not stopping:
            trainer.step(next(batches))
            run.elapsed, stopping = process.broadcast(
                before + time.monotonic() - start - judging, len(signals)
            )
            if process.is_main and run.elapsed - shown > SHOWN_EVERY_S:
                shown, losses = run.elapsed, trainer.losses
                pace = (run.samples - samples_before) / max(1e-3, run.elapsed - before)
                if trainer.journal:
                    trainer.journal.progress(run.elapsed, run.samples, pace, losses)
                said = " ".join(f"{k} {v:.3f}" for k, v in losses.items())
                description = f"{run.configuration.kind} {pace:.0f}/s {said}"
                progress.update(bar, completed=run.progress, description=description)
            if validations.due and not stopping:
                began, best = time.monotonic(), run.best
                if process.is_main:
                    console.print(trainer.evaluate())
                    ended_early = validations.validated(best)
                else:
                    validations.validated(best)
                (early,) = process.broadcast(float(ended_early))
                judging += time.monotonic() - began
                if early:
                    console.print(f"ended early: no better model in {options.patience} validations")
                    break
    return not stopping
