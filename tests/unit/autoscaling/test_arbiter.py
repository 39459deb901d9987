"""Who gives way when deployments want more than there is."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscaling.arbiter import ReplicaDemand, arbitrate

ONE = {"cpus": 1.0}


def test_all_get_what_fits() -> None:
    claims = [ReplicaDemand("a", 3, 1, uses=ONE), ReplicaDemand("b", 5, 1, uses=ONE)]
    assert arbitrate(claims, {"cpus": 8.0}) == {"a": 3, "b": 5}


def test_the_less_important_give_way_first() -> None:
    claims = [
        ReplicaDemand("chat", 6, 1, priority=90, uses=ONE),
        ReplicaDemand("batch", 6, 2, uses=ONE),
    ]
    assert arbitrate(claims, {"cpus": 8.0}) == {"chat": 6, "batch": 2}


def test_of_equals_the_dearest_gives_way() -> None:
    claims = [
        ReplicaDemand("dear", 4, 1, cost_per_hour=3.0, uses=ONE),
        ReplicaDemand("cheap", 4, 1, cost_per_hour=1.0, uses=ONE),
    ]
    assert arbitrate(claims, {"cpus": 6.0}) == {"dear": 2, "cheap": 4}


def test_equals_share_what_is_missing() -> None:
    claims = [ReplicaDemand("a", 8, 1, uses=ONE), ReplicaDemand("b", 4, 1, uses=ONE)]
    assert arbitrate(claims, {"cpus": 6.0}) == {"a": 3, "b": 3}


def test_only_those_that_use_what_is_short_give_way() -> None:
    claims = [
        ReplicaDemand("gpu", 4, 1, priority=90, uses={"cpus": 1.0, "gpus": 1.0}),
        ReplicaDemand("cpu", 4, 1, priority=10, uses=ONE),
    ]
    assert arbitrate(claims, {"gpus": 2.0, "cpus": 99.0}) == {"gpu": 2, "cpu": 4}


def test_minima_are_kept_even_where_they_do_not_fit() -> None:
    claims = [ReplicaDemand("a", 9, 3, uses=ONE), ReplicaDemand("b", 2, 3, uses=ONE)]
    assert arbitrate(claims, {"cpus": 1.0}) == {"a": 3, "b": 3}


claims = st.lists(
    st.builds(
        ReplicaDemand,
        deployment=st.uuids().map(str),
        wanted=st.integers(0, 30),
        minimum=st.integers(0, 5),
        priority=st.integers(0, 100),
        cost_per_hour=st.floats(0, 10),
        uses=st.fixed_dictionaries({"cpus": st.floats(0, 4), "gpus": st.floats(0, 2)}),
    ),
    max_size=6,
)


@given(claims, st.floats(0, 60), st.floats(0, 20))
def test_nobody_gets_less_than_its_least_or_more_than_it_wants(
    found: list[ReplicaDemand], cpus: float, gpus: float
) -> None:
    granted = arbitrate(found, {"cpus": cpus, "gpus": gpus})
    for claim in found:
        assert claim.minimum <= granted[claim.deployment] <= max(claim.wanted, claim.minimum)
    minima = all(granted[claim.deployment] == claim.minimum for claim in found)
    for name, amount in (("cpus", cpus), ("gpus", gpus)):
        users = [c for c in found if c.uses[name] > 0]
        used = sum(c.uses[name] * granted[c.deployment] for c in users)
        fits = used <= amount + 1e-6
        assert fits or minima or all(granted[c.deployment] == c.minimum for c in users)
