"""What holds for all tests: the profiles of Hypothesis.

`HYPOTHESIS_PROFILE` names the profile:

- `steady` (the default): the same examples each time, so a red run says something of the change.
- `nightly`: new random examples each time, three times as many. A failure prints the line
  `@reproduce_failure(...)` that repeats its example.
"""

import os

import hypothesis
from hypothesis import HealthCheck

# Neither profile has a deadline: a busy machine is not a fault of the code.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=300,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
