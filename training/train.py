"""`train`: one loop for both models, shaped to a time budget: a run always ends annealed."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from training.checkpoint import Configuration, load, save, write_json
from training.errors import BudgetSpentError
from training.figures import draw_curves

Step = Callable[[nn.Module, Any], dict[str, torch.Tensor]]
Judge = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Task:
    """What a batch costs, how a model is judged, and the figure by which the best is known."""

    step: Step
    judge: Judge
    goal: str


WARM = 0.03
"""Share of the run in which the rate rises from nothing."""


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

    def __init__(self, model: nn.Module, task: Task, run: Run, console: Console) -> None:
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.task, self.run, self.console = task, run, console
        rate, decay = run.configuration.rate, run.configuration.decay
        self.optimiser = torch.optim.AdamW(_groups(model, decay), lr=rate)
        self.average = Average(model)
        self.losses: dict[str, float] = {}
        run.folder.mkdir(parents=True, exist_ok=True)

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
        self.console.print(f"resumed at {run.elapsed / 60:.1f} minutes, {run.samples} samples")

    def step(self, batch: object, autocast: bool) -> None:
        """Learn from one batch."""
        run = self.run
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(run.elapsed / (run.minutes * 60), run.configuration.rate)
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            parts = self.task.step(self.model, batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimiser.step()
        self.average.update(self.model)
        for name, value in parts.items():
            self.losses[name] = 0.98 * self.losses.get(name, value.item()) + 0.02 * value.item()
        run.steps += 1
        run.samples += run.configuration.batch

    def judge(self) -> None:
        """Measure the averaged model; write last.pt, curves and, where it is the best, best.pt."""
        run, goal = self.run, self.task.goal
        figures = self.task.judge(self.average.model)
        now = {"minutes": run.elapsed / 60, "samples": float(run.samples)}
        run.history.append({**now, **self.losses, **figures})
        weights = {
            "configuration": asdict(run.configuration),
            "average": self.average.model.state_dict(),
            "figures": figures,
            "samples": run.samples,
        }
        if figures[goal] > run.best:
            run.best = figures[goal]
            save(weights, run.folder / "best.pt")
        rest = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "elapsed": run.elapsed,
            "steps": run.steps,
            "best": run.best,
            "history": run.history,
        }
        save(weights | rest, run.folder / "last.pt")
        write_json(run.history, run.folder / "history.json")
        draw_curves(run.history, goal, run.folder / "curves.png")
        shown = ", ".join(f"{k} {v:.4f}" for k, v in (self.losses | figures).items())
        self.console.print(f"{run.elapsed / 60:6.1f} min {run.samples:8d} samples: {shown}")


def train(
    model: nn.Module,
    stream: Callable[[int], IterableDataset[Any]],
    task: Task,
    run: Run,
    *,
    resume: bool,
    every: float,
    console: Console,
    autocast: bool,
) -> Run:
    """Train until `run.minutes` of wall time are used up, judging every `every` minutes.

    `stream` makes the endless batches from a seed. Writes `best.pt` (averaged weights), `last.pt`
    (to resume), curves.png. Raises MissingCheckpointError, ConfigurationMismatchError where
    `resume` finds no checkpoint of this configuration.
    """
    trainer = Trainer(model, task, run, console)
    if resume:
        trainer.restore()
    seed = run.configuration.seed + 1000 * run.steps
    # A process of its own makes the samples: they must not share the interpreter with the step.
    # It is forked, and OpenCV's threads do not survive that: whoever asked for them would wait.
    cv2.setNumThreads(1)
    batches = iter(DataLoader(stream(seed), batch_size=None, num_workers=1, prefetch_factor=6))
    start, before, budget = time.monotonic(), run.elapsed, run.minutes * 60
    due = run.elapsed + every * 60
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(run.configuration.kind, total=budget)
        while run.elapsed < budget:
            trainer.step(next(batches), autocast)
            run.elapsed = before + time.monotonic() - start
            pace = run.samples / max(1.0, run.elapsed)
            losses = " ".join(f"{k} {v:.3f}" for k, v in trainer.losses.items())
            shown = f"{run.configuration.kind} {pace:.0f}/s {losses}"
            progress.update(bar, completed=run.elapsed, description=shown)
            if due <= run.elapsed < budget:
                trainer.judge()
                due = run.elapsed + every * 60
    trainer.judge()
    return run
