"""What a supervisor does about what it sees."""

import pytest

from cluster.ops.cluster_monitor import BUSY_WEIGHT, ResponseGaps
from cluster.ops.roles import Role
from cluster.ops.supervisor_decision import SERVE_RESTART_S, UNRESPONSIVE_S, decide


@pytest.mark.parametrize("role", ["gcs", "raylet"])
def test_a_dead_process_of_rays_own_starts_everything_again_at_once(role: Role) -> None:
    verdict = decide({role: 0.0}, {})

    assert verdict.action == "restart"
    assert verdict.reason.endswith("has died")


@pytest.mark.parametrize("role", ["controller", "haproxy", "proxy"])
def test_serve_gets_time_to_replace_what_it_keeps_alive(role: Role) -> None:
    assert decide({role: SERVE_RESTART_S - 1}, {}).action == "wait"
    assert decide({role: SERVE_RESTART_S}, {}).action == "restart"


def test_what_nobody_else_keeps_alive_is_started_in_its_own_way() -> None:
    verdict = decide({"dashboard": 0.0, "log_monitor": 0.0}, {})

    assert verdict.action == "revive"
    assert verdict.roles == ("dashboard", "log_monitor")


def test_only_long_silence_counts() -> None:
    assert decide({}, {"the API": 2.0}).action == "none"
    assert decide({}, {"the API": UNRESPONSIVE_S - 1}).action == "wait"
    assert decide({}, {"the API": UNRESPONSIVE_S}).action == "restart"


def test_where_all_is_well_nothing_is_done() -> None:
    assert decide({}, {}).action == "none"


def test_a_busy_machine_is_given_five_times_as_long() -> None:
    silence = ResponseGaps()

    for _ in range(10):
        silence.record("idle", 7.0, answered=False, busy=False)
        silence.record("busy", 7.0, answered=False, busy=True)

    assert silence.seconds() == pytest.approx({"idle": 70.0, "busy": 70.0 * BUSY_WEIGHT})
    assert decide({}, {"busy": silence.seconds()["busy"]}).action == "wait"


def test_one_answer_ends_a_silence() -> None:
    silence = ResponseGaps()
    silence.record("the API", 50.0, answered=False, busy=False)

    silence.record("the API", 5.0, answered=True, busy=False)

    assert silence.seconds() == {}
