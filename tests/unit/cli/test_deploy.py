"""What `mobula deploy` refuses before it sends anything."""

from pathlib import Path
from typing import Any

import pytest

from cluster.cli.config_problems import find_application_problems, find_problems
from cluster.cli.deploy import run

APP: dict[str, Any] = {
    "name": "mobula", "import_path": "graphs.app:build", "args": {"models": [{"id": "nano"}]},
}  # fmt: skip


def asked(**fields: Any) -> dict[str, Any]:
    return {"applications": [{**APP, **fields}]}


def test_nothing_is_deployed_where_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))

    assert run(None, [], True, 1.0, True) == 1
    assert "no cluster is running here" in capsys.readouterr().err


def test_what_is_right_has_no_faults() -> None:
    assert find_problems(asked(), []) == []
    assert find_problems(asked(), ["nano", "ingress", "clipper", "all"]) == []


def test_applications_of_others_are_left_to_serve() -> None:
    assert find_problems(asked(import_path="elsewhere:build", args={"x": 1}), []) == []


def test_every_fault_of_the_args_is_a_sentence_with_its_place() -> None:
    wrong = {"models": [{"id": "nano", "max_wait": 1}], "ingress": {"replicas": 0}}

    assert find_problems(asked(args=wrong), []) == [
        "args.models.0.max_wait: Extra inputs are not permitted",
        "args.ingress.replicas: Input should be greater than or equal to 1",
    ]


def test_contradictions_are_said_in_the_words_of_the_args() -> None:
    wrong = {**APP["args"], "content": {"default": "qwen"}}

    [fault] = find_problems(asked(args=wrong), [])

    assert fault.startswith("args: content: 'default' names model 'qwen'")


@pytest.mark.parametrize("prefix", ["/mobula", None])
def test_mobula_is_served_at_the_root_only(prefix: str | None) -> None:
    [problem] = find_problems(asked(route_prefix=prefix), [])

    assert problem == f"route_prefix: {prefix!r} is not served; Mobula answers at '/' only"
    assert find_problems(asked(route_prefix="/"), []) == []
    assert find_problems(asked(import_path="elsewhere:build", route_prefix=prefix), []) == []


def test_mobula_is_not_served_under_a_root_path() -> None:
    http_options = {"port": 8000, "root_path": "/mobula"}

    [problem] = find_problems({**asked(), "http_options": http_options}, [])

    assert problem.startswith("http_options.root_path: '/mobula' is not served")
    others = asked(import_path="elsewhere:build")
    assert find_problems({**others, "http_options": http_options}, []) == []


def test_a_start_refuses_what_a_rollout_does_and_leaves_names_to_serve() -> None:
    nameless = {"applications": [{**APP, "name": "", "route_prefix": "/x"}]}

    assert len(find_application_problems(nameless)) == 1
    assert find_application_problems({"applications": {"a": 1}}) == []


@pytest.mark.parametrize(
    ("applications", "fault"),
    [
        pytest.param({"a": 1}, "applications: is not a list of applications", id="no list"),
        pytest.param([{"args": {}}], "applications.0.name: is missing", id="no name"),
    ],
)
def test_what_is_no_application(applications: Any, fault: str) -> None:
    assert find_problems({"applications": applications}, []) == [fault]


def test_a_restart_of_what_is_not_there_lists_what_is() -> None:
    assert find_problems(asked(), ["qwen"]) == [
        "--restart: there is no 'qwen'; there are all, clipper, ingress, media, nano, search, text"
    ]
