"""Several processes train one model, and what they leave a single one goes on with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.tiny import write_coco
from training.__main__ import app
from training.errors import DeviceError
from training.loop.device import SINGLE_PROCESS, DeviceChoice, Process, open_process
from training.networks.assignment import assign
from training.networks.checkpoint import load
from training.networks.detector import anchor_points

ROOT = Path(__file__).parents[3]

# A rank's weights after training, written beside the run: what the test compares.
SPY = """
import os, torch
from pathlib import Path
from torch.nn.parallel import DistributedDataParallel
import training.loop.train as loop

class Spied(loop.Trainer):
    def step(self, batch):
        super().step(batch)
        assert isinstance(self._data_parallel, DistributedDataParallel)
        spied.update({k: v.clone() for k, v in self.model.named_parameters()})
        seen.append(batch[1].sum().item())

spied, seen = {}, []
loop.Trainer = Spied
from training.__main__ import app
app(%r, standalone_mode=False)
torch.save((spied, seen, torch.get_num_threads()), f"rank{os.environ['RANK']}.pt")
"""


@pytest.mark.timeout(320)
def test_two_processes_share_batches_and_weights_and_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path / "mine", 24)
    app(["prepare", "--data", "mine"], standalone_mode=False)
    command = ["train", "classifier", "--data", "mine", "--batch", "4", "--size", "48"]
    options = [*command, "--device", "cpu", "--workers", "0"]
    (tmp_path / "spy.py").write_text(SPY % ([*options, "--minutes", "0.05"],))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "spy.py"],
        env={"PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (first, batches, _), (second, others, _) = (
        torch.load(tmp_path / f"rank{n}.pt", weights_only=True) for n in (0, 1)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert len(batches) == len(others) > 0, "each process must take the same steps"
    run = tmp_path / "var/training/classifier"
    state = load(run / "last.pt")
    assert all(torch.equal(state["model"][k], first[k]) for k in first)
    assert state["steps"] == len(batches)
    assert state["samples"] == 4 * len(batches), "a batch is that of all processes together"

    spent = json.loads((run / "history.json").read_text())[-1]["minutes"]
    app([*options, "--minutes", str(spent + 0.02), "--resume"], standalone_mode=False)
    assert load(run / "last.pt")["steps"] > state["steps"]


def test_a_batch_that_cannot_be_shared_is_named() -> None:
    assert Process(torch.device("cpu"), autocast=False, rank=1, world_size=2).share(64) == 32
    with pytest.raises(DeviceError, match="a batch of 64 cannot be shared by 3 processes"):
        Process(torch.device("cpu"), autocast=False, rank=1, world_size=3).share(64)


def test_a_device_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with (
        pytest.raises(DeviceError, match="torch sees no CUDA device"),
        open_process(DeviceChoice.CUDA),
    ):
        pass
    with open_process() as process:
        assert (process.device.type, process.rank, process.world_size) == ("cpu", 0, 1)


def test_one_process_agrees_with_itself_and_moves_whole_batches() -> None:
    assert SINGLE_PROCESS.broadcast(1.5, 0) == [1.5, 0]
    pictures, rest = SINGLE_PROCESS.to_device((torch.zeros(2), (torch.ones(1), "named")))
    assert pictures.shape == (2,)
    assert rest[1] == "named"


def test_assignment_stays_on_the_device_of_its_model() -> None:
    # A meta tensor holds no numbers and knows its device: mixing two raises, as on a GPU.
    anchors = anchor_points(64, 64).to("meta")
    count = len(anchors)
    face, quality = assign(
        torch.zeros(2, count, device="meta"),
        torch.zeros(2, count, 4, device="meta"),
        anchors,
        torch.zeros(2, 48, 4, device="meta"),
    )
    assert face.shape == quality.shape == (2, count)
    assert face.device.type == quality.device.type == "meta"
