"""`train`: one loop for both models, shaped to a time budget: a run always ends annealed."""

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from training.errors import BudgetSpentError, DivergedError
from training.loop.device import SINGLE_PROCESS, Process
from training.loop.journal import Journal, State
from training.networks.checkpoint import Configuration, load, save

Step = Callable[[nn.Module, Any], dict[str, torch.Tensor]]
Stream = Callable[[int, int], IterableDataset[Any]]
Judge = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Task:
    """What a batch costs, how a model is judged, and the figure by which the best is known."""

    step: Step
    judge: Judge
    goal: str


WARM = 0.03
"""Share of the run in which the rate rises from nothing."""

SHOWN_EVERY_S = 0.5
"""Seconds between two looks at the losses, each of which waits for the device."""


@dataclass(slots=True)
class Run:
    """What a run has come to; saved in `last.pt` and shown in curves.png."""

    folder: Path
    configuration: Configuration
    minutes: float
    elapsed: float = 0.0
    samples: int = 0
    steps: int = 0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is carried out this time; it may be resumed in another way.

    `every`: minutes between two looks at the validation split. `workers`: processes that make the
    samples; 0 makes them between the steps.
    """

    console: Console
    resume: bool = False
    every: float = 5.0
    process: Process = SINGLE_PROCESS
    workers: int = 1
    tensorboard: bool = False


class Average:
    """Exponential moving average of a model, with a short memory at first (as in YOLOX)."""

    def __init__(self, model: nn.Module, decay: float = 0.9995) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move a little towards the model as it is now."""
        self.steps += 1
        decay = self.decay * (1 - math.exp(-self.steps / 500))
        for mine, theirs in zip(
            self.model.state_dict().values(), model.state_dict().values(), strict=True
        ):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def rate_at(progress: float, highest: float) -> float:
    """Learning rate at a share 0…1 of the run: linear warm-up, then a cosine to a hundredth."""
    if progress < WARM:
        return highest * max(0.01, progress / WARM)
    return highest * (
        0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM) / (1 - WARM))))
    )


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation do not."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


class Trainer:
    """A model on its way: its weights, their average, its optimiser, and what is written of it."""

    def __init__(self, model: nn.Module, task: Task, run: Run, options: Options) -> None:
        process = options.process
        self.model = model.to(process.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.task, self.run, self.process = task, run, process
        rate, decay = run.configuration.rate, run.configuration.decay
        self.optimiser = torch.optim.AdamW(_groups(model, decay), lr=rate)
        self.average = Average(model)
        self._losses: dict[str, torch.Tensor] = {}
        self._joined: nn.Module | None = None
        self.journal = (
            Journal(
                run.folder, run.configuration.kind, run.minutes, tensorboard=options.tensorboard
            )
            if process.is_main
            else None
        )

    @property
    def losses(self) -> dict[str, float]:
        """Running means of the losses; asking for them waits for the device. Raises DivergedError
        where one is no number.
        """
        means = {k: v.item() for k, v in self._losses.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                run = self.run
                raise DivergedError(
                    f"{name} is {mean} after {run.steps} steps, and what was learnt since the last "
                    f"checkpoint in {run.folder} is lost; train again with a --rate lower than "
                    f"{run.configuration.rate:g}, and look for pictures that are not what they seem"
                )
        return means

    def restore(self) -> None:
        """Go on where `last.pt` ended. Raises CheckpointError."""
        run = self.run
        state = load(run.folder / "last.pt", run.configuration)
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        run.elapsed, run.samples, run.steps = state["elapsed"], state["samples"], state["steps"]
        run.best, run.history = state["best"], state["history"]
        self.average.steps = run.steps
        if run.elapsed >= run.minutes * 60:
            raise BudgetSpentError(
                f"{run.folder / 'last.pt'} has trained for {run.elapsed / 60:.1f} minutes already; "
                "give more with --minutes"
            )

    def step(self, batch: object) -> None:
        """Learn from one batch."""
        run, process = self.run, self.process
        if self._joined is None:
            # Only now: every process must have restored its weights before they are compared.
            self._joined = process.data_parallel(self.model)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(run.elapsed / (run.minutes * 60), run.configuration.rate)
        self._joined.train()
        with torch.autocast(process.device.type, torch.bfloat16, enabled=process.autocast):
            parts = self.task.step(self._joined, process.to_device(batch))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimiser.step()
        self.average.update(self.model)
        for name, value in parts.items():
            now = value.detach()
            self._losses[name] = self._losses.get(name, now).lerp(now, 0.02)
        run.steps += 1
        run.samples += run.configuration.batch

    def save(self, figures: dict[str, float]) -> None:
        """Write last.pt, to go on from. Raises DivergedError, and leaves the earlier one."""
        run, _ = self.run, self.losses
        rest = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "elapsed": run.elapsed,
            "steps": run.steps,
            "best": run.best,
            "history": run.history,
        }
        save(self._weights(figures) | rest, run.folder / "last.pt")

    def judge(self) -> str:
        """Measure the averaged model; write last.pt, curves and, where it is the best, best.pt.
        What there is to say of it. Raises DivergedError, and leaves what was written.
        """
        run, goal, losses = self.run, self.task.goal, self.losses
        figures = self.task.judge(self.average.model)
        now = {"minutes": run.elapsed / 60, "samples": float(run.samples)}
        run.history.append({**now, **losses, **figures})
        if figures[goal] > run.best:
            run.best = figures[goal]
            save(self._weights(figures), run.folder / "best.pt")
        self.save(figures)
        if self.journal:
            self.journal.judged(run.history, goal)
        shown = ", ".join(f"{k} {v:.4f}" for k, v in (losses | figures).items())
        return f"{run.elapsed / 60:6.1f} min {run.samples:8d} samples: {shown}"

    def _weights(self, figures: dict[str, float]) -> dict[str, object]:
        return {
            "configuration": asdict(self.run.configuration),
            "average": self.average.model.state_dict(),
            "figures": figures,
            "samples": self.run.samples,
        }


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that holds a signal's number once SIGINT or SIGTERM has come: the step is finished
    and saved before the run ends. Elsewhere than in the main thread signals stay as they are.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {
        s: signal.signal(s, lambda number, _: came.append(number))
        for s in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_signals(_: int) -> None:
    # Ctrl-C reaches every process of the terminal, systemd's SIGTERM every one of the service: the
    # process that trains says when a worker ends, and takes it with it where it is killed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _batches(stream: Stream, run: Run, options: Options) -> Iterator[Any]:
    """The run's samples from here on: another seed for each process, and after each resumption.

    Processes of their own make them: they must not share the interpreter with the step. They are
    forked, and OpenCV's threads do not survive that: whoever asked for them would wait.
    """
    cv2.setNumThreads(1)
    process, workers = options.process, options.workers
    seed = run.configuration.seed + 1000 * (run.steps * process.world_size + process.rank)
    return iter(
        DataLoader(
            stream(seed, process.share(run.configuration.batch)),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=6 if workers else None,
            pin_memory=process.device.type == "cuda",
            worker_init_fn=_leave_signals,
        )
    )


def train(model: nn.Module, stream: Stream, task: Task, run: Run, options: Options) -> Run:
    """Train until `run.minutes` of wall time are used up.

    `stream` makes the endless batches from a seed and their size. Writes `best.pt` (averaged
    weights), `last.pt` (to resume), and what a Journal holds. With several processes each learns
    from its share of every batch, and the first judges and writes. SIGINT or SIGTERM ends the run
    early, with a last.pt. Raises MissingCheckpointError, ConfigurationMismatchError where a run is
    to be resumed and there is no checkpoint of this configuration, BudgetSpentError, DeviceError,
    DivergedError where a loss is no number any more: what was written before stays.
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
        with _asked_to_stop() as came:
            if _spend(trainer, batches, options.every, console, came):
                state = State.ENDED
                if process.is_main:
                    console.print(trainer.judge())
            elif process.is_main:
                trainer.save({})
                console.print(f"stopped at {run.elapsed / 60:.1f} minutes; go on with --resume")
    finally:
        if trainer.journal:
            trainer.journal.close(state)
    return run


def _spend(
    trainer: Trainer, batches: Iterator[Any], every: float, console: Console, came: list[int]
) -> bool:
    """Step until the budget is spent; False where a signal came first."""
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
            run.elapsed, stopping = process.broadcast(before + time.monotonic() - start, len(came))
            if process.is_main and run.elapsed - shown > SHOWN_EVERY_S:
                shown, losses = run.elapsed, trainer.losses
                pace = (run.samples - samples_before) / max(1e-3, run.elapsed - before)
                if trainer.journal:
                    trainer.journal.going(run.elapsed, run.samples, pace, losses)
                said = " ".join(f"{k} {v:.3f}" for k, v in losses.items())
                description = f"{run.configuration.kind} {pace:.0f}/s {said}"
                progress.update(bar, completed=run.elapsed, description=description)
            if due <= run.elapsed < budget and not stopping:
                if process.is_main:
                    console.print(trainer.judge())
                due = run.elapsed + every * 60
    return not stopping
