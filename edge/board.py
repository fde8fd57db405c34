"""The temperature of a single-board computer, and whether it is slowed down."""

from contextlib import suppress
from pathlib import Path

from cloud.contract import DeviceProblem

HOT_C = 80.0
"""Degrees Celsius at which a Raspberry Pi begins to slow down
(https://www.raspberrypi.com/documentation/computers/raspberry-pi.html, "Frequency management and
thermal control")."""

_SYS = Path("/sys")
_ZONE_TYPES = {"cpu-thermal", "cpu_thermal", "soc-thermal"}
"""Names of the processor's sensor on ARM boards. Sensors of other computers are left alone: their
limits differ."""

_THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
_UNDER_VOLTAGE = 1 << 0
_SLOWED = 1 << 1 | 1 << 2 | 1 << 3
"""Bits of `vcgencmd get_throttled`: now under-voltage; frequency capped, throttled, soft limit."""


def temperature_c(sys: Path = _SYS) -> float | None:
    """Return the processor's temperature in degrees Celsius; None on another kind of computer."""
    found = []
    for zone in sorted(sys.glob("class/thermal/thermal_zone*")):
        with suppress(OSError, ValueError):
            if zone.joinpath("type").read_text().strip() in _ZONE_TYPES:
                found.append(int(zone.joinpath("temp").read_text()) / 1000)
    return max(found, default=None)


def problems(sys: Path = _SYS) -> list[DeviceProblem]:
    """Return the names of what is wrong with the board now: `hot`, `throttled`, `under_voltage`."""
    bits = 0
    with suppress(OSError, ValueError):
        bits = int(sys.joinpath(_THROTTLED).read_text(), 16)
    degrees = temperature_c(sys)
    found = [
        (DeviceProblem.HOT, degrees is not None and degrees >= HOT_C),
        (DeviceProblem.THROTTLED, bool(bits & _SLOWED)),
        (DeviceProblem.UNDER_VOLTAGE, bool(bits & _UNDER_VOLTAGE)),
    ]
    return [name for name, is_so in found if is_so]
