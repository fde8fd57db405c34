"""A machine with doubles of the engine and of Compose, and a port that is taken."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.compose_double import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine at which something listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield int(held.getsockname()[1])
