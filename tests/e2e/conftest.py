"""A deployment of the demo's processes, at ports that no other test has."""

from pathlib import Path

import pytest

from demo.deployment import Deployment
from tests.doubles.redis_server import free_port


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(
        tmp_path, redis_port=free_port(), api_port=free_port(), dashboard_port=free_port()
    )
