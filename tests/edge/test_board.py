from pathlib import Path

import pytest

from edge import board


def board_at(folder: Path, *, kind: str, millidegrees: str, throttled: str | None) -> Path:
    zone = folder / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    zone.joinpath("type").write_text(f"{kind}\n")
    zone.joinpath("temp").write_text(f"{millidegrees}\n")
    if throttled is not None:
        file = folder / "devices/platform/soc/soc:firmware/get_throttled"
        file.parent.mkdir(parents=True)
        file.write_text(f"{throttled}\n")
    return folder


@pytest.mark.parametrize(
    ("millidegrees", "throttled", "problems"),
    [
        ("61000", "0x0", []),
        ("80000", "0x0", ["hot"]),
        ("85400", "80008", ["hot", "throttled"]),
        ("50000", "0x50005", ["throttled", "under_voltage"]),
        ("50000", "0x50000", []),  # it happened since the start, but not now
        ("broken", "broken", []),
        ("50000", None, []),
    ],
)
def test_a_board_that_is_hot_or_slowed_down_has_problems(
    tmp_path: Path, millidegrees: str, throttled: str | None, problems: list[str]
) -> None:
    sys = board_at(tmp_path, kind="cpu-thermal", millidegrees=millidegrees, throttled=throttled)
    assert board.problems(sys) == problems


def test_the_sensors_of_other_computers_are_left_alone(tmp_path: Path) -> None:
    sys = board_at(tmp_path, kind="x86_pkg_temp", millidegrees="95000", throttled=None)
    assert board.temperature_c(sys) is None
    assert board.problems(sys) == []
