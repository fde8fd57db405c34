"""What holds for all tests: examples that are the same each time, and no stopwatch on them."""

import hypothesis
from hypothesis import HealthCheck

# A busy machine is no fault of the code, and a red run is to say something of the change alone.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")
