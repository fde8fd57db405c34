"""`train`: one loop for both models, shaped to a time budget, so that a run always ends annealed."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from training.checkpoint import Configuration, load, save, write_json
from training.figures import draw_curves

Step = Callable[[nn.Module, Any], dict[str, torch.Tensor]]
Judge = Callable[[nn.Module], dict[str, float]]

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
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def rate_at(progress: float, highest: float) -> float:
    """Learning rate at a share 0…1 of the run: linear warm-up, then a cosine down to a hundredth."""
    if progress < WARM:
        return highest * max(0.01, progress / WARM)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM) / (1 - WARM)))))


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation do not."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


def train(
    model: nn.Module,
    stream: Callable[[int], IterableDataset[Any]],
    step: Step,
    judge: Judge,
    goal: str,
    run: Run,
    resume: bool,
    every: float,
    console: Console,
    autocast: bool,
) -> Run:
    """Train until `run.minutes` of wall time are used up, judging every `every` minutes by the figure named `goal`.

    `stream` makes the endless batches from a seed. Writes `best.pt` (averaged weights), `last.pt` (to resume), curves.png.
    Raises MissingCheckpoint, ConfigurationMismatch where `resume` finds no checkpoint of this configuration.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    configuration = run.configuration
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(_groups(model, configuration.decay), lr=configuration.rate)
    average = Average(model)
    if resume:
        state = load(run.folder / "last.pt", configuration)
        model.load_state_dict(state["model"])
        average.model.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        run.elapsed, run.samples, run.steps, run.best, run.history = (state[k] for k in ("elapsed", "samples", "steps", "best", "history"))
        average.steps = run.steps
        console.print(f"resumed at {run.elapsed / 60:.1f} minutes, {run.samples} samples")

    def judged() -> None:
        figures = judge(average.model)
        run.history.append({"minutes": run.elapsed / 60, "samples": float(run.samples), **losses, **figures})
        weights = {"configuration": asdict(configuration), "average": average.model.state_dict(), "figures": figures, "samples": run.samples}
        if figures[goal] > run.best:
            run.best = figures[goal]
            save(weights, run.folder / "best.pt")
        save(
            weights | {
                "model": model.state_dict(), "optimiser": optimiser.state_dict(), "elapsed": run.elapsed,
                "steps": run.steps, "best": run.best, "history": run.history,
            },
            run.folder / "last.pt",
        )  # fmt: skip
        write_json(run.history, run.folder / "history.json")
        draw_curves(run.history, goal, run.folder / "curves.png")
        shown = ", ".join(f"{k} {v:.4f}" for k, v in (losses | figures).items())
        console.print(f"{run.elapsed / 60:6.1f} min {run.samples:8d} samples: {shown}")

    losses: dict[str, float] = {}
    loader = DataLoader(stream(configuration.seed + 1000 * run.steps), batch_size=None, num_workers=1, prefetch_factor=6)
    batches: Iterator[Any] = iter(loader)
    start, before, due = time.monotonic(), run.elapsed, run.elapsed + every * 60
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(configuration.kind, total=run.minutes * 60, completed=run.elapsed)
        while run.elapsed < run.minutes * 60:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(run.elapsed / (run.minutes * 60), configuration.rate)
            batch = next(batches)
            model.train()
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                parts = step(model, batch)
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(parts.values())).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()
            average.update(model)
            for name, value in parts.items():
                losses[name] = 0.98 * losses.get(name, value.item()) + 0.02 * value.item()
            run.steps += 1
            run.samples += configuration.batch
            run.elapsed = before + time.monotonic() - start
            rate = (run.samples) / max(1.0, run.elapsed)
            progress.update(bar, completed=run.elapsed, description=f"{configuration.kind} {rate:.0f}/s " + " ".join(f"{k} {v:.3f}" for k, v in losses.items()))
            if run.elapsed >= due and run.elapsed < run.minutes * 60:
                judged()
                due = run.elapsed + every * 60
    judged()
    return run
