"""A few examples for each reader, the same ones each time; with FUZZ_EXAMPLES (`make fuzz`) as many, and new ones."""

import os

from hypothesis import HealthCheck, settings

MANY = os.environ.get("FUZZ_EXAMPLES")
# A busy machine is slow, and that is no fault of a reader
settings.register_profile(
    "readers", max_examples=int(MANY or 25), derandomize=not MANY, print_blob=bool(MANY), deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large,
                           HealthCheck.large_base_example])
# Before the tests are read, which take the settings that there are by then
settings.load_profile("readers")
