"""Hypothesis without a stopwatch: a busy machine is no fault of the contract."""

import hypothesis

hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
