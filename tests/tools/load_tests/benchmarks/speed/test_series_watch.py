"""Series over many scrapes: what fell, and what replicas that are gone had counted."""

from load_tests.benchmarks.speed.observed.series_watch import SeriesWatch, samples_of


def text(**counts: int) -> str:
    lines = ["# TYPE mobula_x_total counter"]
    lines += [f'mobula_x_total{{kind="a",replica="{name}"}} {n}' for name, n in counts.items()]
    return "\n".join([*lines, "mobula_open 7", ""])


def test_the_last_value_of_a_replica_that_is_gone_counts() -> None:
    watch = SeriesWatch()
    watch.add(text(r1=5, r2=3), 1.0)
    watch.add(text(r2=4, r3=1), 2.0)

    assert watch.total("mobula_x_total", kind="a") == 10
    assert watch.total("mobula_x_total", kind="b") == 0
    assert (watch.fallen, watch.scrapes) == (0, 2)


def test_what_falls_is_noticed_and_a_gauge_may() -> None:
    watch = SeriesWatch()
    watch.add(text(r1=5), 1.0)
    watch.add(text(r1=4).replace("mobula_open 7", "mobula_open 1"), 2.0)

    assert watch.fallen == 1


def test_the_scrape_before_the_last_one_has_ended_before_a_kill() -> None:
    watch = SeriesWatch()
    for at in (1.0, 2.0, 3.0):
        watch.add(text(r1=1), at)

    assert watch.scraped_before(2.5) == 1.0
    assert watch.scraped_before(0.5) == 0.0


def test_labels_may_hold_quotes() -> None:
    [(key, value)] = samples_of('x_total{a="b\\"c",d="e"} 2.5\n')

    assert value == 2.5
    assert dict(key[1]) == {"a": 'b\\"c', "d": "e"}
