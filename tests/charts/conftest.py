"""Every test that takes a `scenario` runs with each of the charts' ci/ files."""

import pytest

from tests.charts.rendering import Scenario, scenarios


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize("scenario", scenarios(), ids=str, scope="session")


@pytest.fixture
def chart_name(scenario: Scenario) -> str:
    return scenario.chart.name
