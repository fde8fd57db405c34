import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak import Sample, save, slope_of, slopes


def samples(growth_mib_an_hour: float) -> list[Sample]:
    noise = np.random.default_rng(1).normal(0, 0.5, 200)
    return [
        Sample(10.0 * n, 200 + growth_mib_an_hour * n / 360 + noise[n], 40, 12, 15.0, n)
        for n in range(200)
    ]


def test_memory_that_only_wavers_is_flat() -> None:
    found = slopes(samples(0))
    assert all(slope.is_flat for slope in found.values())


def test_memory_that_grows_is_not_flat_and_its_growth_is_told() -> None:
    memory = slopes(samples(30))["memory_mib"]
    assert not memory.is_flat
    assert memory.per_hour == pytest.approx(30, abs=memory.error)


def test_a_wave_that_is_slow_widens_the_error() -> None:
    quick = [(10.0 * n, math.sin(2.0 * n)) for n in range(200)]
    slow = [(10.0 * n, math.sin(0.2 * n)) for n in range(200)]
    assert slope_of(slow).error > 2 * slope_of(quick).error


def test_two_samples_say_nothing() -> None:
    assert slope_of([(0.0, 1.0), (10.0, 9.0)]).is_flat


def test_a_run_is_kept_as_csv_json_and_graph(tmp_path: Path) -> None:
    run = samples(0)
    table, data, graph = save(run, slopes(run), tmp_path / "deep" / "soak")
    with table.open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(run)
    assert json.loads(data.read_text())["slopes_per_hour"]["handles"]["is_flat"] is True
    assert graph.read_bytes().startswith(b"\x89PNG")
