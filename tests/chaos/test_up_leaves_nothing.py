"""However `up` ends, nothing that it started is left: no process, no port, no socket folder.

Each test runs the real launcher in a home and on ports of its own, with an application that is
nothing but `/readyz`.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.ops import cluster_state as states
from cluster.ops.processes import cluster_processes
from load_tests.benchmarks.common.mobula_command import END_S, READY_S, wait_for
from load_tests.benchmarks.faults.recovery.process_kills import (
    kill,
    kill_and_recover,
    load_supervision,
)
from tests.chaos.tiny_app import Mobula


@pytest.fixture
def mobula(tmp_path: Path) -> Iterator[Mobula]:
    with Mobula.create_temporary(tmp_path) as found:
        yield found


@pytest.mark.exhaustive
def test_a_killed_up_is_cleared_by_the_next_one_which_ctrl_c_ends(mobula: Mobula) -> None:
    process, killed = mobula.up()
    with process:
        process.kill()
    assert len(cluster_processes(killed.id)) > 10

    process, state = mobula.up()
    assert cluster_processes(killed.id) == []
    with process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        process.communicate(timeout=END_S)

    assert process.returncode == 0
    mobula.assert_nothing_left(state)


@pytest.mark.parametrize(
    ("wait_s", "number"),
    [
        pytest.param(0.2, signal.SIGHUP, id="SIGHUP before Ray is up"),
        pytest.param(
            4.0, signal.SIGTERM, id="SIGTERM while deploying", marks=pytest.mark.exhaustive
        ),
    ],
)
def test_a_signal_during_the_start(mobula: Mobula, wait_s: float, number: signal.Signals) -> None:
    process = mobula.start("up", "--config", str(mobula.config()))
    while (state := states.load(mobula.home)) is None:
        time.sleep(0.02)
    time.sleep(wait_s)

    with process:
        os.killpg(process.pid, number)
        process.communicate(timeout=END_S)

    assert process.returncode == 128 + number
    mobula.assert_nothing_left(state)


@pytest.mark.exhaustive
def test_a_second_ctrl_c_forces_the_end(mobula: Mobula) -> None:
    process, state = mobula.up()

    with process:
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=END_S)

    assert time.monotonic() - began < 5
    assert process.returncode == 128 + signal.SIGINT
    mobula.assert_nothing_left(state)


@pytest.mark.exhaustive
def test_ctrl_c_in_the_moment_it_gets_ready(mobula: Mobula) -> None:
    """It once fell between two handlers, and the whole cluster stayed."""
    process = mobula.start("up", "--config", str(mobula.config()))
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("ready "))
    state = mobula.state()

    with process:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=END_S)

    mobula.assert_nothing_left(state)


@pytest.mark.exhaustive
def test_down_ends_a_foreground_up(mobula: Mobula) -> None:
    process, state = mobula.up()

    code, output = mobula.run("down")

    assert code == 0, output
    with process:
        process.communicate(timeout=END_S)
    mobula.assert_nothing_left(state)


@pytest.mark.exhaustive
def test_an_application_that_does_not_build_is_explained(mobula: Mobula) -> None:
    code, output = mobula.run("up", "-d", "--config", str(mobula.config("broken")))

    assert code == 1
    assert "the operator's mistake" in output
    assert states.load(mobula.home) is None
    mobula.assert_ports_are_free()


@pytest.mark.exhaustive
def test_an_up_in_the_foreground_starts_again_what_died_and_ends_with_ctrl_c(
    mobula: Mobula,
) -> None:
    process, old = mobula.up()

    kill_and_recover(mobula, "gcs")

    state = mobula.state()
    assert state.id != old.id
    assert cluster_processes(old.id) == []
    with process:
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=END_S)
    assert process.returncode == 0
    assert "restarting the cluster (attempt 1)" in output
    mobula.assert_nothing_left(state)


@pytest.mark.exhaustive
def test_a_crash_loop_is_given_up_and_status_says_why(mobula: Mobula) -> None:
    """What was deployed last does not build any longer: every new start fails."""
    code, output = mobula.run("up", "-d", "--config", str(mobula.config()))
    assert code == 0, output
    (mobula.folder / "lifecycle_app.py").write_text("raise ImportError('gone')")

    kill(mobula, "gcs")
    wait_for(lambda: load_supervision(mobula).phase == "gave up", "the end of it", 6 * READY_S)

    code, output = mobula.run("status")
    assert code == 1
    assert "gave up: restarted 5 times within 10 minutes; last: the deployment failed" in output
    assert "ImportError: gone" in output
    assert states.load(mobula.home) is None
    mobula.assert_ports_are_free()
    assert mobula.run("down") == (0, "nothing is running\n")
    assert mobula.run("status") == (1, "not running\n")
