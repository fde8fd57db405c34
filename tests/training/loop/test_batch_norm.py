from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from tests.training.tiny import write_coco
from training.__main__ import app
from training.errors import MissingDataError
from training.loop.batch_norm import network_of, restore_statistics, with_new_statistics
from training.networks.architectures import configuration_of
from training.networks.checkpoint import CLASSIFIER, DETECTOR, Configuration, load, save

TINY = replace(DETECTOR, size=64, width=16, batch=4)
QUIET = Console(quiet=True)


def batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(3)
    return [
        (torch.randint(0, 40 * n, (4, 64, 64, 3), dtype=torch.uint8), torch.zeros(4))
        for n in range(2, count + 2)
    ]


def test_statistics_are_the_samples_own_and_nothing_else_changes() -> None:
    before = network_of(TINY).state_dict()
    given = batches(3)
    after = with_new_statistics(dict(before), TINY, given, 3, QUIET)
    for name, tensor in before.items():
        if "running_" not in name and "num_batches" not in name:
            assert torch.equal(after[name], tensor), name
    pictures = [(batch[0].permute(0, 3, 1, 2).float() - 127.5) / 127.5 for batch in given]
    patches = [nn.functional.conv2d(p, before["stem.0.weight"], stride=4) for p in pictures]
    mean = torch.stack([p.mean((0, 2, 3)) for p in patches]).mean(0)
    assert torch.allclose(after["stem.1.running_mean"], mean, atol=1e-4)
    assert int(after["stem.1.num_batches_tracked"]) == 3


def test_restored_statistics_are_the_samples_own_and_no_answer_changes() -> None:
    torch.manual_seed(2)
    network = network_of(TINY).eval()
    pictures = [(b[0].permute(0, 3, 1, 2).float() - 127.5) / 127.5 for b in batches(3)]
    with torch.no_grad():
        before = network(pictures[0])
        restore_statistics(network, iter(pictures), 3)
        after = network(pictures[0])
        patches = torch.cat([network.stem[0](p) for p in pictures])  # type: ignore[index, operator]
    for expected, given in zip(before, after, strict=True):
        torch.testing.assert_close(given, expected, atol=1e-4, rtol=1e-4)
    measured = network.state_dict()
    torch.testing.assert_close(
        measured["stem.1.running_mean"], patches.mean((0, 2, 3)), atol=1e-4, rtol=1e-3
    )
    variance = patches.var((0, 2, 3), correction=0)
    torch.testing.assert_close(measured["stem.1.running_var"], variance, atol=1e-4, rtol=1e-3)


def test_no_more_batches_are_made_than_asked_for_and_none_where_nothing_is_normalised() -> None:
    made: list[int] = []

    def endless() -> Iterator[tuple[torch.Tensor, ...]]:
        while True:
            made.append(1)
            yield batches(1)[0]

    with_new_statistics(network_of(TINY).state_dict(), TINY, endless(), 2, QUIET)
    assert len(made) == 2
    plain = replace(configuration_of("small-cnn"), size=64)
    weights = network_of(plain).state_dict()
    same = with_new_statistics(dict(weights), plain, endless(), 2, QUIET)
    assert len(made) == 2
    assert all(torch.equal(same[name], weights[name]) for name in weights)


@pytest.mark.parametrize("configuration", [TINY, replace(CLASSIFIER, size=32, width=0.25, batch=4)])
def test_the_command_takes_them_from_what_was_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configuration: Configuration
) -> None:
    monkeypatch.chdir(tmp_path)
    files = []
    for seed in range(2):
        torch.manual_seed(seed)
        weights = network_of(configuration).state_dict()
        files.append(tmp_path / f"{seed}.pt")
        save({"configuration": asdict(configuration), "average": weights}, files[-1])
    command = ["average", *map(str, files), "--batches", "2", "--run"]
    with pytest.raises(MissingDataError, match="run `python -m training prepare` first"):
        app([*command, "none", "--renew-statistics"], standalone_mode=False)
    assert not Path("none").exists()

    write_coco(tmp_path / "mine", 20)
    app(["prepare", "--data", "mine"], standalone_mode=False)
    app([*command, "renewed", "--renew-statistics"], standalone_mode=False)
    app([*command, "plain"], standalone_mode=False)
    new, old = (load(Path(run) / "best.pt")["average"] for run in ("renewed", "plain"))
    counted = [int(t) for name, t in new.items() if name.endswith("num_batches_tracked")]
    assert set(counted) == {2}
    moved = [name for name in new if not torch.equal(new[name], old[name])]
    assert moved
    assert all("running_" in name or "num_batches" in name for name in moved)
