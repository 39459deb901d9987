"""Growth of what processes hold: over those that lived through all of it, after warm-up."""

from load_tests.benchmarks.faults.chaos.resource_samples import ResourceSample, measure_growth


def held(pid: int, rss: list[float], kind: str = "Ingress") -> list[ResourceSample]:
    return [
        ResourceSample(60.0 * at, kind, pid, {"rss_mib": value}) for at, value in enumerate(rss)
    ]


def test_growth_compares_the_last_fifth_with_the_first_after_warm_up() -> None:
    rss = [50.0, 80.0] + [100.0] * 10 + [120.0] * 10

    (growth,) = measure_growth(held(1, rss), warm_s=120)

    assert (growth.first, growth.last, growth.processes) == (100, 120, 1)
    assert round(growth.share, 6) == 0.2


def test_processes_of_a_kind_are_added_up_and_those_that_came_later_left_out() -> None:
    late = held(3, [10.0] * 20)[10:]

    (growth,) = measure_growth([*held(1, [100.0] * 20), *held(2, [50.0] * 20), *late], warm_s=0)

    assert (growth.first, growth.last, growth.processes) == (150, 150, 2)


def test_a_spike_in_between_is_no_growth() -> None:
    rss = [100.0] * 8 + [400.0] * 4 + [100.0] * 8

    (growth,) = measure_growth(held(1, rss), warm_s=0)

    assert growth.share == 0


def test_a_run_that_was_too_short_says_nothing() -> None:
    assert measure_growth(held(1, [100.0] * 9), warm_s=0) == []
