"""The capacity model: which ceiling is met first, worked out by hand."""

from dataclasses import replace

import pytest

from load_tests.benchmarks.speed.bench_capacity import build_report, markdown, parse_costs
from load_tests.benchmarks.speed.capacity_model import (
    Capacity,
    MeasuredCosts,
    NodeSize,
    RequestCost,
    RequestMix,
    SharedServices,
    plan_capacity,
)

COSTS = MeasuredCosts(
    requests={
        "uncached": RequestCost(haproxy_ms=0.1, ingress_ms=0.5, model_ms=0.4),
        "cached": RequestCost(haproxy_ms=0.1, ingress_ms=0.1, model_ms=0.0),
        "stream": RequestCost(haproxy_ms=0.5, ingress_ms=2.0, model_ms=1.5),
    },
    limiter_replica_ms=1.0,
    limiter_ms=0.05,
    ledger_ms=5.0,
    controller_ms=1.0,
    controller_idle_ms=100.0,
    node_ms=0.0,
    replica_mib=200.0,
    node_mib=1000.0,
)
NODE = NodeSize(cores=10, memory_mib=33_000, usable=0.5)
SHORT = RequestMix({"uncached": 1.0}, {"uncached": 0.01})


def ceiling(capacity: Capacity, part: str) -> float:
    return next(each.requests_s for each in capacity.ceilings if each.part == part)


def test_a_node_carries_what_its_busy_cores_pay_for() -> None:
    capacity = plan_capacity(1, NODE, COSTS, SHORT, SharedServices())

    assert capacity.requests_s == pytest.approx(5_000)  # 10 cores, half busy, 1 ms a request
    assert capacity.ceilings[0].part == "the nodes' cores"
    assert (capacity.ingress, capacity.models) == (5, 4)


def test_a_mixture_costs_its_mean_and_what_a_node_does_by_itself_is_taken_off() -> None:
    mixed = RequestMix({"uncached": 0.5, "cached": 0.5}, {"uncached": 0.01, "cached": 0.001})
    busy = replace(COSTS, node_ms=1_000)

    assert plan_capacity(1, NODE, busy, mixed, SharedServices()).requests_s == pytest.approx(
        4_000 / 0.6
    )


def test_ten_nodes_carry_ten_times_as_much_while_nothing_shared_is_full() -> None:
    one, ten = (plan_capacity(nodes, NODE, COSTS, SHORT, SharedServices()) for nodes in (1, 10))

    assert ten.requests_s == pytest.approx(10 * one.requests_s)


def test_long_streams_fill_the_connections_of_haproxy_first() -> None:
    long = RequestMix({"stream": 1.0}, {"stream": 60.0})

    capacity = plan_capacity(
        2, replace(NODE, haproxy_connections=1000), COSTS, long, SharedServices()
    )

    assert capacity.ceilings[0].part == "HAProxy's connections"
    assert capacity.requests_s == pytest.approx(2 * 1000 / 60)


def test_replicas_of_a_model_are_as_many_as_open_requests_need_slots() -> None:
    slow = RequestMix({"uncached": 1.0}, {"uncached": 0.5}, slots=100)

    assert (
        plan_capacity(1, NODE, COSTS, slow, SharedServices()).models == 25
    )  # 5,000/s, half a second each


def test_replicas_are_those_that_the_first_ceiling_leaves_work_for() -> None:
    long = RequestMix({"stream": 1.0}, {"stream": 60.0}, slots=10)

    capacity = plan_capacity(
        1, replace(NODE, haproxy_connections=600), COSTS, long, SharedServices()
    )

    assert (capacity.requests_s, capacity.ingress, capacity.models) == (10.0, 1, 60)


def test_a_model_on_the_nodes_cores_is_paid_for_like_the_rest() -> None:
    own = RequestMix({"uncached": 1.0}, {"uncached": 0.05}, slots=1, service_cores=1.0)

    assert plan_capacity(1, NODE, COSTS, own, SharedServices()).requests_s == pytest.approx(
        5_000 / 51
    )


def test_many_replicas_fill_the_controller() -> None:
    slow = RequestMix({"uncached": 1.0}, {"uncached": 1.0}, slots=1)

    capacity = plan_capacity(1, NODE, COSTS, slow, SharedServices(controller_cores=0.6))

    assert ceiling(capacity, "Serve's controller") == pytest.approx(5_000 * 500 / 5_005)


def test_many_tenants_fill_the_limits_authority_and_many_replicas_the_database() -> None:
    crowd = replace(SHORT, tenants=10_000)

    capacity = plan_capacity(
        10, NODE, COSTS, crowd, SharedServices(limiter_cores=1.0, database_cores=0.5)
    )

    assert capacity.ceilings[0].part == "the limits' authority"
    assert capacity.requests_s == pytest.approx(50_000 * (1000 / 501) / 50)
    assert ceiling(capacity, "the database's writer") == pytest.approx(50_000 * 100 / 50)


def test_shards_divide_the_tenants_and_not_the_sessions() -> None:
    crowd = replace(SHORT, tenants=10_000)

    eight = plan_capacity(
        10, NODE, COSTS, crowd, SharedServices(limiter_cores=1.0, limiter_shards=8)
    )

    expected = 50_000 * (1000 / (1 + 1250 * 0.05)) / 50
    assert ceiling(eight, "the limits' authority") == pytest.approx(expected)


def test_memory_holds_so_many_replicas_and_no_more() -> None:
    slow = RequestMix({"uncached": 1.0}, {"uncached": 1.0}, slots=10)

    capacity = plan_capacity(1, NODE, COSTS, slow, SharedServices())

    assert capacity.ceilings[0].part == "the nodes' memory"
    assert capacity.requests_s == pytest.approx(5_000 * 160 / 505)  # room for 160 replicas


def test_a_report_says_what_a_stream_costs_above_idle_and_can_be_read_again() -> None:
    costs = replace(COSTS, stream_above_idle=RequestCost(0.5, 1.5, 1.0))
    report = build_report(costs, NodeSize(), {})

    assert "| stream, above idle | 0.500 | 1.500 | 1.000 | 3.000 |" in markdown(report)
    assert parse_costs(report["costs"]) == costs
