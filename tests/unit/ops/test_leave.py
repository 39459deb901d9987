"""A node that goes tells Ray first, and waits until Ray has left it or its time is over."""

from cluster.ops.node_drain import drain_node
from cluster.runtime.clock import ManualClock


class Control:
    """Ray has left after `asked` questions; `fails` at the question of that number."""

    def __init__(self, asked: int, fails: int | None = None) -> None:
        self.deadline: float | None = None
        self._asked, self._fails = asked, fails

    def drain(self, deadline: float) -> None:
        if self._fails == 0:
            raise ConnectionError("nobody there")
        self.deadline = deadline

    def has_left(self) -> bool:
        if self._fails is not None:
            self._fails -= 1
            if self._fails == 0:
                raise ConnectionError("nobody there any more")
        self._asked -= 1
        return self._asked < 0


def test_it_is_over_when_ray_has_left() -> None:
    control, clock = Control(asked=3), ManualClock(wall=100.0)

    assert drain_node(control, 600.0, clock, clock.advance) is True
    assert control.deadline == 700.0
    assert clock.wall() == 103.0


def test_it_gives_up_when_its_time_is_over() -> None:
    control, clock = Control(asked=1000), ManualClock(wall=100.0)

    assert drain_node(control, 60.0, clock, clock.advance) is False
    assert clock.wall() == 160.0


def test_it_does_not_wait_for_a_control_that_cannot_be_told() -> None:
    clock = ManualClock(wall=100.0)

    assert drain_node(Control(asked=0, fails=0), 600.0, clock, clock.advance) is False
    assert clock.wall() == 100.0


def test_it_does_not_wait_for_a_control_that_goes_away() -> None:
    clock = ManualClock(wall=100.0)

    assert drain_node(Control(asked=9, fails=2), 600.0, clock, clock.advance) is False
    assert clock.wall() == 101.0
