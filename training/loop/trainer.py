"""The trainer: a model, its moving average and its optimiser, their steps and checkpoints."""

import math
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from training.errors import BudgetSpentError, DivergedError
from training.loop.journal import Journal
from training.loop.mlflow_log import MlflowLog
from training.loop.moving_average import moving_average, restore_average
from training.loop.run import Options, Run, Task
from training.loop.schedule import learning_rate
from training.networks.checkpoint import load, save
from training.networks.run_summary import write_summary

_LONGEST_GRADIENT = 10.0
"""Norm to which longer gradients are cut."""

_LOSS_SHARE = 0.02
"""Share of a new loss in the running mean."""


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the weights of normalisation do not."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _journal(run: Run, options: Options) -> Journal:
    kind, mlflow = run.configuration.kind, None
    if options.mlflow:
        faces = {f"training_faces_{name}": count for name, count in run.data.faces.items()}
        budget = {"minutes": run.minutes, "steps": run.most_steps, "began_from": run.began_from}
        parameters = asdict(run.configuration) | budget | faces
        mlflow = MlflowLog(options.mlflow, run.folder, kind, parameters, options.console)
    return Journal(run.folder, kind, run.minutes, tensorboard=options.tensorboard, mlflow=mlflow)


class Trainer:
    """Trains a model step by step, evaluates it and writes its checkpoints.

    Args:
        model: The model to train; it is moved to the process's device.
        task: The loss, the evaluation and the figure to improve.
        run: How far the run is; it is updated at every step.
        options: How the run is carried out.
    """

    def __init__(self, model: nn.Module, task: Task, run: Run, options: Options) -> None:
        process = options.process
        self.model = model.to(process.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.task, self.run, self.process = task, run, process
        rate, decay = run.configuration.rate, run.configuration.decay
        self.optimiser = torch.optim.AdamW(_groups(model, decay), lr=rate)
        self.average = moving_average(model)
        self._losses: dict[str, torch.Tensor] = {}
        self._data_parallel: nn.Module | None = None
        self.journal = _journal(run, options) if process.is_main else None

    @property
    def losses(self) -> dict[str, float]:
        """The running mean of each loss. Reading them waits for the device.

        Raises:
            DivergedError: A loss is infinite or no number.
        """
        means = {k: v.item() for k, v in self._losses.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                run = self.run
                raise DivergedError(
                    f"{name} is {mean} after {run.steps} steps, and what was learnt since the last "
                    f"checkpoint in {run.folder} is lost; train again with a --rate lower than "
                    f"{run.configuration.rate:g}, and look for damaged pictures and wrong boxes"
                )
        return means

    def restore(self) -> None:
        """Restore model, average, optimiser and run from `last.pt`.

        Raises:
            MissingCheckpointError: There is no `last.pt`.
            ConfigurationMismatchError: It was written under another configuration.
            BudgetSpentError: It has used up the run's minutes.
        """
        run = self.run
        state = load(run.folder / "last.pt", run.configuration)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        run.elapsed, run.samples, run.steps = state["elapsed"], state["samples"], state["steps"]
        run.best, run.history = state["best"], state["history"]
        # A checkpoint of an earlier version does not say what its run began from.
        run.samples_before = state.get("samples_before", run.samples_before)
        run.began_from = state.get("began_from", run.began_from)
        restore_average(self.average, state["average"], run.steps)
        if run.progress >= 1:
            spent, option = (
                (f"{run.elapsed / 60:.1f} minutes", "--minutes")
                if run.most_steps is None
                else (f"{run.steps} steps", "--steps")
            )
            raise BudgetSpentError(
                f"{run.folder / 'last.pt'} has trained for {spent} already; give more with {option}"
            )

    def step(self, batch: object) -> None:
        """Take one optimiser step.

        Args:
            batch: This process's share of the batch.
        """
        run, process = self.run, self.process
        if self._data_parallel is None:
            # DistributedDataParallel compares the weights of all processes as it is made: every
            # process must have restored its checkpoint by then.
            self._data_parallel = process.data_parallel(self.model)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(run.progress, run.configuration.rate)
        self._data_parallel.train()
        with torch.autocast(process.device.type, torch.bfloat16, enabled=process.autocast):
            parts = self.task.losses(self._data_parallel, process.to_device(batch))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        nn.utils.clip_grad_norm_(self.model.parameters(), _LONGEST_GRADIENT)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        for name, value in parts.items():
            now = value.detach()
            self._losses[name] = self._losses.get(name, now).lerp(now, _LOSS_SHARE)
        run.steps += 1
        run.samples += run.configuration.batch

    def save(self, figures: dict[str, float]) -> None:
        """Write `last.pt`, from which the run can be resumed, and `summary.json`.

        Args:
            figures: The figures of the last evaluation; empty before the first.

        Raises:
            DivergedError: A loss is no number; the earlier `last.pt` stays.
            StorageError: The disk is full; the earlier `last.pt` stays.
        """
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
        write_summary(run.summary(self.task.goal), run.folder)

    def evaluate(self) -> str:
        """Evaluate the averaged model and write `last.pt`, the curves and, of the best, `best.pt`.

        Returns:
            A line for people: minutes, samples, losses and figures.

        Raises:
            DivergedError: A loss is no number; the earlier files stay.
            StorageError: The disk is full; the earlier files stay.
        """
        run, goal, losses = self.run, self.task.goal, self.losses
        figures = self.task.evaluate(self.average.module)
        now = {"minutes": run.elapsed / 60, "samples": float(run.samples)}
        run.history.append({**now, **losses, **figures})
        if figures[goal] > run.best:
            run.best = figures[goal]
            save(self._weights(figures), run.folder / "best.pt")
        self.save(figures)
        if self.journal:
            self.journal.evaluated(run.history, goal)
        shown = ", ".join(f"{k} {v:.4f}" for k, v in (losses | figures).items())
        return f"{run.elapsed / 60:6.1f} min {run.samples:8d} samples: {shown}"

    def _weights(self, figures: dict[str, float]) -> dict[str, object]:
        return {
            "configuration": asdict(self.run.configuration),
            "average": self.average.module.state_dict(),
            "figures": figures,
            "samples": self.run.samples,
            "samples_before": self.run.samples_before,
            "began_from": self.run.began_from,
            "training_faces": dict(self.run.data.faces),
        }
