"""What a default `up` takes: figures of starts, and their targets."""

from load_tests.benchmarks.speed.bench_room import RoomOfTree, build_measurements
from load_tests.benchmarks.speed.room_taken import RoomTaken, name_other, read_reservations


def taken(seconds: float, mib: float, cpus: float, rest: float = 0.1) -> RoomTaken:
    memory = {"Ingress": mib}
    return RoomTaken(seconds, memory, memory, {"Ingress": cpus}, {"Ingress": rest}, 7)


def deployment(replicas: int, **options: float) -> dict[str, object]:
    return {"target_num_replicas": replicas, "deployment_config": {"ray_actor_options": options}}


def missed(*rooms: RoomOfTree) -> list[str]:
    return [each.name for each in build_measurements(rooms) if not each.met]


def test_reservations_are_of_all_replicas() -> None:
    deployments = {
        "Ingress": deployment(2, num_cpus=0.5),
        "Limiter": deployment(1, num_cpus=0.1),
        "Other": deployment(1),
    }

    reserved = read_reservations({"applications": {"mobula": {"deployments": deployments}}})

    assert reserved == {"Ingress": 1.0, "Limiter": 0.1, "Other": 1.0}


def test_what_fits_a_small_machine_keeps_its_targets() -> None:
    assert missed(RoomOfTree("here", [taken(20.0, 4000.0, 2.0)])) == []
    assert missed(RoomOfTree("here", [taken(20.0, 4100.0, 2.1)])) == [
        "resident, all",
        "all deployments",
    ]


def test_a_start_is_compared_with_another_commit_s_by_medians() -> None:
    here = RoomOfTree("here", [taken(14.0, 1.0, 1.0), taken(16.0, 1.0, 1.0)])
    other = RoomOfTree("abc", [taken(9.0, 1.0, 1.0), taken(11.0, 1.0, 1.0)])

    assert missed(here, other) == []
    assert missed(RoomOfTree("here", [taken(15.1, 1.0, 1.0)]), other) == ["ratio"]


def test_processes_of_ray_are_named() -> None:
    python = ["python", "-u", "/site-packages/ray"]
    assert name_other(["ray::IDLE"]) == "idle workers"
    assert name_other([*python[:2], f"{python[2]}/dashboard/dashboard.py"]) == "dashboard"
    assert name_other([*python[:2], f"{python[2]}/_private/log_monitor.py"]) == "log monitor"
    assert name_other(["bash"]) == "other"


def test_what_is_used_at_rest_is_compared_in_percent_of_a_core() -> None:
    other = RoomOfTree("abc", [taken(10.0, 1.0, 1.0, rest=0.2)])

    assert missed(RoomOfTree("here", [taken(10.0, 1.0, 1.0, rest=0.209)]), other) == []
    assert missed(RoomOfTree("here", [taken(10.0, 1.0, 1.0, rest=0.22)]), other) == ["more"]
