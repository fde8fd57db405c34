"""The processes of a run and their devices: one CPU, one GPU, or a process for each of several."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import DeviceError

# The others wait for the first process while it judges a model and writes its checkpoint.
_PATIENCE = timedelta(hours=1)


class DeviceChoice(StrEnum):
    """The values of --device."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def has_bfloat16() -> bool:
    """Say whether this CPU multiplies bfloat16 itself; where it does not, autocast is slower."""
    capabilities = torch.cpu.get_capabilities()
    return bool(
        capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16")
    )


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a run.

    Attributes:
        device: Where it computes.
        autocast: Whether it multiplies in bfloat16.
        rank: Its number among the processes, from 0.
        world_size: The number of processes.
    """

    device: torch.device
    autocast: bool
    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process evaluates the model and writes the files of all."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Divide a batch among the processes.

        Args:
            batch: Samples in an optimiser step.

        Returns:
            The samples of this process.

        Raises:
            DeviceError: The batch cannot be divided by the number of processes.
        """
        if batch % self.world_size:
            raise DeviceError(
                f"a batch of {batch} cannot be shared by {self.world_size} processes; "
                f"give a --batch that {self.world_size} divides"
            )
        return batch // self.world_size

    def to_device(self, batch: Any) -> Any:
        """Move a batch to the device.

        Args:
            batch: A tensor, or a tuple or list of batches; anything else stays as it is.

        Returns:
            The batch on the device, with tuples in place of lists.
        """
        if isinstance(batch, torch.Tensor):
            return batch.to(self.device, non_blocking=True)
        if isinstance(batch, tuple | list):
            return tuple(self.to_device(part) for part in batch)
        return batch

    def data_parallel(self, model: nn.Module) -> nn.Module:
        """Wrap a model so that its gradients are averaged over all processes.

        Args:
            model: The model, on this process's device.

        Returns:
            The wrapped model; of a single process, the model itself.
        """
        if self.world_size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids)

    def broadcast(self, *values: float) -> list[float]:
        """Give every process the values of the main process.

        Clocks differ, and all processes must stop at the same step.

        Args:
            values: This process's values.

        Returns:
            The values of the main process.
        """
        if self.world_size == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return [float(v) for v in shared]


SINGLE_PROCESS = Process(torch.device("cpu"), autocast=False)
"""One process on the CPU, in plain float32."""


def _device(choice: DeviceChoice, local: int) -> torch.device:
    there = torch.cuda.is_available()
    if choice is DeviceChoice.CUDA and not there:
        raise DeviceError(
            "--device cuda: torch sees no CUDA device here; use --device cpu, or install a "
            "build of torch for this machine's GPU"
        )
    if choice is DeviceChoice.CPU or not there:
        return torch.device("cpu")
    if local >= torch.cuda.device_count():
        raise DeviceError(
            f"process {local} of this machine finds {torch.cuda.device_count()} GPUs; start no "
            "more with --nproc-per-node than there are"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


@contextmanager
def open_process(choice: DeviceChoice = DeviceChoice.AUTO) -> Iterator[Process]:
    """Open this process's part in a run, by the variables that torchrun sets.

    torchrun sets RANK, WORLD_SIZE and LOCAL_RANK; without them there is one process. GPUs exchange
    gradients by NCCL, CPUs by Gloo. Other values always go by Gloo, so that no GPU waits for them.

    Args:
        choice: The device that was asked for.

    Yields:
        The process; its connections to the others close at the end.

    Raises:
        DeviceError: The device is not there.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    device = _device(choice, int(os.environ.get("LOCAL_RANK", "0")))
    gpu = device.type == "cuda"
    autocast = torch.cuda.is_bf16_supported(including_emulation=False) if gpu else has_bfloat16()
    if world_size == 1:
        yield Process(device, autocast)
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Process(device, autocast, distributed.get_rank(), world_size)
    finally:
        distributed.destroy_process_group()
