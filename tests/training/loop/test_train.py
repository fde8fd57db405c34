import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import IterableDataset

from training.errors import (
    BudgetSpentError,
    ConfigurationMismatchError,
    DivergedError,
    MissingCheckpointError,
)
from training.loop.run import Options, Run, Task
from training.loop.schedule import learning_rate
from training.loop.train import VALIDATIONS, train
from training.networks.checkpoint import Configuration, load, samples_seen, save

TINY = Configuration("tiny", size=4, width=1, batch=8, rate=0.05, decay=0.0, seed=3)
QUIET = Console(quiet=True)


class Points(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Points of the plane y = 2 a - b."""

    def __init__(self, seed: int, batch: int) -> None:
        super().__init__()
        self.seed, self.batch = seed, batch

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            x = torch.randn(self.batch, 2, generator=generator)
            yield x, 2 * x[:, :1] - x[:, 1:]


Batch = tuple[torch.Tensor, torch.Tensor]
Losses = Callable[[nn.Module, Batch], dict[str, torch.Tensor]]


def losses(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    return {"square_loss": ((model(batch[0]) - batch[1]) ** 2).mean()}


def evaluate(model: nn.Module) -> dict[str, float]:
    assert isinstance(model, nn.Linear)
    error = (model.weight - torch.tensor([[2.0, -1.0]])).abs().max().item()
    return {"closeness": 1 / (1 + error)}


def go(
    folder: Path,
    minutes: float,
    resume: bool,
    configuration: Configuration = TINY,
    losses: Losses = losses,
    steps: int | None = None,
    **options: Any,
) -> Run:
    run = Run(folder, configuration, minutes, steps)
    return train(
        nn.Linear(2, 1),
        Points,
        Task(losses, evaluate, "closeness"),
        run,
        Options(QUIET, resume, every=60, **options),
    )


@pytest.mark.forks
def test_training_learns_ends_on_time_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = go(tmp_path, 0.02, resume=False)
    weights = load(tmp_path / "last.pt", TINY)
    with pytest.raises(BudgetSpentError, match="give more with --minutes"):
        go(tmp_path, first.elapsed / 60, resume=True)
    second = go(tmp_path, first.elapsed / 60 + 0.02, resume=True)
    assert second.samples > first.samples
    assert second.steps * TINY.batch == second.samples
    assert second.elapsed >= weights["elapsed"] + 0.02 * 60
    assert len(second.history) == 2
    assert {p.name for p in tmp_path.iterdir()} == {
        "best.pt",
        "last.pt",
        "history.json",
        "curves.png",
        "progress.json",
        "summary.json",
    }
    progress = json.loads((tmp_path / "progress.json").read_text())
    assert progress["state"] == "ended"
    assert progress["samples"] <= second.samples
    # A busy machine takes few steps in a second. Each turn has twice the time of the last one, so
    # its learning rate begins high again.
    while second.best <= 0.8:
        second = go(tmp_path, second.elapsed / 30, resume=True, workers=0)


@pytest.mark.forks
def test_resume_refuses_nothing_and_another_configuration(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError):
        go(tmp_path, 0.01, resume=True)
    go(tmp_path, 0.005, resume=False)
    other = Configuration("tiny", size=4, width=1, batch=16, rate=0.05, decay=0.0, seed=3)
    with pytest.raises(ConfigurationMismatchError, match="batch: 8 there, 16 here"):
        go(tmp_path, 0.01, resume=True, configuration=other)


def test_a_loss_that_is_no_number_any_more_ends_the_run_and_spoils_no_checkpoint(
    tmp_path: Path,
) -> None:
    first = go(tmp_path, 0.01, resume=False, workers=0)
    whole = {name: (tmp_path / name).read_bytes() for name in ("best.pt", "last.pt")}

    def diverging(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: loss * float("nan") for name, loss in losses(model, batch).items()}

    with pytest.raises(DivergedError, match=r"square_loss is nan after \d+ steps.*lower than 0.05"):
        go(tmp_path, first.elapsed / 60 + 5, resume=True, losses=diverging, workers=0)
    assert {name: (tmp_path / name).read_bytes() for name in whole} == whole
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "stopped"


def test_a_run_that_is_told_to_stop_saves_what_it_has_and_goes_on(tmp_path: Path) -> None:
    steps = itertools.count(1)

    def told_at_the_twentieth(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        if next(steps) == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(model, batch)

    first = go(tmp_path, 5, resume=False, losses=told_at_the_twentieth, workers=0)
    assert first.steps == 20
    assert first.history == []
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "stopped"
    assert load(tmp_path / "last.pt", TINY)["steps"] == first.steps
    second = go(tmp_path, first.elapsed / 60 + 0.01, resume=True, workers=0)
    assert second.steps > first.steps
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "ended"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_reaches_the_workers_too_loses_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    code = (
        "from pathlib import Path; from tests.training.loop.test_train import go;"
        f"go(Path({str(tmp_path)!r}), 5, resume=False, workers=2)"
    )
    started = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    progress = tmp_path / "progress.json"
    deadline = time.monotonic() + 90
    while not progress.is_file() or not json.loads(progress.read_text())["samples"]:
        assert time.monotonic() < deadline
        assert started.poll() is None
        time.sleep(0.1)
    os.killpg(started.pid, number)
    assert started.wait(timeout=60) == 0
    said = json.loads(progress.read_text())
    assert said["state"] == "stopped"
    assert load(tmp_path / "last.pt", TINY)["samples"] >= said["samples"] > 0


def test_a_seed_and_steps_repeat_a_run_bit_for_bit(tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> dict[str, torch.Tensor]:
        configuration = replace(TINY, seed=seed)
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        run = Run(tmp_path / name, configuration, 0.0, 40)
        task = Task(losses, lambda _: {"closeness": 1.0}, "closeness")
        train(model, Points, task, run, Options(QUIET, workers=0))
        assert run.steps == 40
        assert len(run.history) == VALIDATIONS
        found = load(tmp_path / name / "last.pt")
        return {**found["model"], **{f"average {k}": v for k, v in found["average"].items()}}

    first, again, other = weights("first", 5), weights("again", 5), weights("other", 6)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_steps_that_are_spent_are_said_and_more_go_on(tmp_path: Path) -> None:
    go(tmp_path, 0, resume=False, steps=20, workers=0)
    with pytest.raises(BudgetSpentError, match="20 steps already; give more with --steps"):
        go(tmp_path, 0, resume=True, steps=20, workers=0)
    assert go(tmp_path, 0, resume=True, steps=30, workers=0).steps == 30


def test_validations_do_not_eat_the_time_budget(tmp_path: Path) -> None:
    slept = []

    def slow(model: nn.Module) -> dict[str, float]:
        began = time.monotonic()
        time.sleep(0.2)
        slept.append(time.monotonic() - began)
        return evaluate(model)

    run = Run(tmp_path, TINY, 0.01)
    began = time.monotonic()
    options = Options(QUIET, every=0.002, workers=0)
    train(nn.Linear(2, 1), Points, Task(losses, slow, "closeness"), run, options)
    assert len(slept) >= 2
    # The last validation comes after the budget; all others are within the loop, beside it.
    assert time.monotonic() - began >= run.elapsed + sum(slept)
    assert run.elapsed >= 0.6


def test_a_run_without_patience_ends_after_validations_that_bring_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, TINY, 0.0, 1000)
    goals = iter([0.5, 0.7, 0.6, 0.7, 0.7])
    task = Task(losses, lambda _: {"closeness": next(goals)}, "closeness")
    train(nn.Linear(2, 1), Points, task, run, Options(QUIET, workers=0, patience=2))
    assert [row["closeness"] for row in run.history] == [0.5, 0.7, 0.6, 0.7]
    assert run.best == 0.7
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "ended"


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    usual = tmp_path / "tiny"
    first = go(usual, 0, resume=False, steps=10, workers=0, numbered=True)
    before = (first.folder / "best.pt").read_bytes()
    second = go(usual, 0, resume=False, steps=10, workers=0, numbered=True)
    assert (first.folder.name, second.folder.name) == ("tiny-1", "tiny-2")
    assert (first.folder / "best.pt").read_bytes() == before
    third = go(usual, 0, resume=True, steps=20, workers=0, numbered=True)
    assert third.steps == 20
    assert load(second.folder / "last.pt")["steps"] == 20


def test_tensorboard_is_written_where_asked_for(tmp_path: Path) -> None:
    go(tmp_path, 0.01, resume=False, workers=0, tensorboard=True)
    accumulator = EventAccumulator(str(tmp_path / "tensorboard"))
    accumulator.Reload()
    assert {"loss/square_loss", "validation/closeness"} <= set(accumulator.Tags()["scalars"])
    assert accumulator.Scalars("validation/closeness")[0].value > 0


def test_the_rate_rises_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate(p / 100, 1.0) for p in range(101)]
    assert rates[3] == pytest.approx(1.0)
    assert rates[:4] == sorted(rates[:4])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    """Its averaged weights have plain names, and it says nothing of an earlier run."""
    torch.manual_seed(1)
    model, averaged = nn.Linear(2, 1), nn.Linear(2, 1)
    groups = [{"params": [p], "weight_decay": 0.0} for p in model.parameters()]
    older = {
        "configuration": asdict(TINY),
        "model": model.state_dict(),
        "average": averaged.state_dict(),
        "optimiser": torch.optim.AdamW(groups, lr=TINY.rate).state_dict(),
        "figures": {},
        "elapsed": 1.0,
        "samples": 80,
        "steps": 10,
        "best": 0.25,
        "history": [],
    }
    save(older, tmp_path / "last.pt")

    def told_at_the_first(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        os.kill(os.getpid(), signal.SIGTERM)
        return losses(model, batch)

    run = go(tmp_path, 5, resume=True, losses=told_at_the_first, workers=0)
    assert (run.samples, run.samples_before, run.steps) == (88, 0, 11)
    after = load(tmp_path / "last.pt", TINY)
    share = 1 - 0.9995 * (1 - math.exp(-11 / 500))
    for name, weight in averaged.state_dict().items():
        expected = weight + share * (after["model"][name] - weight)
        torch.testing.assert_close(after["average"][name], expected, rtol=1e-6, atol=1e-6)


def test_a_run_that_began_from_another_one_says_so_in_its_checkpoints(tmp_path: Path) -> None:
    run = Run(tmp_path, TINY, 0.01, samples_before=4000)
    task = Task(losses, evaluate, "closeness")
    train(nn.Linear(2, 1), Points, task, run, Options(QUIET, every=60, workers=0))
    assert load(tmp_path / "best.pt")["samples_before"] == 4000
    again = go(tmp_path, run.elapsed / 60 + 0.01, resume=True, workers=0)
    assert again.samples_before == 4000
    assert again.samples > run.samples
    assert samples_seen(load(tmp_path / "last.pt")) == again.samples + 4000
