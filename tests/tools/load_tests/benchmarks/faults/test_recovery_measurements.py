"""What `bench recovery` promises, and how it judges what it found."""

import pytest

from cluster.ops.roles import Role
from load_tests.benchmarks.common.measurement import all_met
from load_tests.benchmarks.faults.bench_recovery import build_measurements
from load_tests.benchmarks.faults.recovery.process_kills import Recovery, promised_recovery_s


@pytest.mark.parametrize(
    ("role", "clients", "seconds"),
    [("haproxy", 8, 10), ("controller", 0, 10), ("gcs", 0, 30), ("raylet", 8, 45)],
)
def test_each_part_has_its_time(role: Role, clients: int, seconds: float) -> None:
    assert promised_recovery_s(role, clients) == seconds


def test_a_recovery_in_time_is_met_and_a_late_one_is_not() -> None:
    good = Recovery("gcs", noticed_s=0.3, back_s=24.0, away_s=22.0)

    assert all_met(build_measurements(good, clients=0))
    assert not all_met(build_measurements(Recovery("gcs", 3.5, 24.0, 22.0), clients=0))
    assert not all_met(build_measurements(Recovery("gcs", 0.3, 31.0, 22.0), clients=0))
    assert all_met(build_measurements(Recovery("gcs", 0.3, 31.0, 22.0), clients=8))
