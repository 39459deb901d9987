"""Python in the sandbox: answers and problems come back typed, and nothing it says is trusted."""

from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.problems import Problem
from deployments.sandbox import ChildLimits, python_child
from deployments.sandbox.binary import ROOT
from deployments.sandbox.errors import (
    Cancelled,
    MediaDamaged,
    MediaRefused,
    MediaTooLarge,
    NoMedia,
    SandboxFailed,
)

CHILD = "tests.sandboxed_children.misbehaving"


def ask(folder: Path, do: str, limits: ChildLimits | None = None, **request: Any) -> dict[str, Any]:
    return python_child(CHILD, {"do": do, **request}, folder, limits=limits or ChildLimits())


def test_a_request_is_answered(folder) -> None:
    value = {"a": [1, 2.5, None, "ü" * 100_000]}

    assert ask(folder, "echo", value=value) == {"value": value}


def test_nothing_is_left_in_the_folder(folder) -> None:
    ask(folder, "echo", value=1)
    with pytest.raises(NoMedia):
        ask(folder, "refuse", kind="none")

    assert list(folder.iterdir()) == []


def test_printed_lines_are_passed_on(folder) -> None:
    lines: list[str] = []

    python_child(CHILD, {"do": "say", "lines": ["one", "two"]}, folder, on_line=lines.append)

    assert lines == ["one", "two"]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("refused", MediaRefused), ("large", MediaTooLarge), ("none", NoMedia)],
)
def test_problems_come_back_as_what_they_are(folder, kind: str, problem: type[Problem]) -> None:
    with pytest.raises(problem) as raised:
        ask(folder, "refuse", kind=kind)

    assert type(raised.value) is problem
    if kind == "large":
        assert raised.value.extensions == {"field": "max_pixels", "limit": 100, "got": 200}


@pytest.mark.parametrize(
    ("do", "problem"),
    [
        pytest.param("decode_nonsense", MediaDamaged, id="a decoder's error"),
        pytest.param("crash", MediaDamaged, id="a native crash"),
        pytest.param("eat", MediaTooLarge, id="too much memory"),
        pytest.param("fault", SandboxFailed, id="a fault of ours"),
    ],
)
def test_whatever_else_happens_is_a_typed_problem(folder, do: str, problem: type[Problem]) -> None:
    with pytest.raises(problem) as raised:
        ask(folder, do)

    assert type(raised.value) is problem
    assert "secret" not in raised.value.detail


def test_a_fault_is_noted_for_the_log(folder) -> None:
    with pytest.raises(SandboxFailed) as raised:
        ask(folder, "fault")

    assert "KeyError" in raised.value.__notes__[0]


def test_too_much_output_names_the_limit(folder) -> None:
    with pytest.raises(MediaTooLarge) as raised:
        ask(folder, "fill", ChildLimits(output_bytes=1 << 20))

    assert raised.value.extensions["field"] == "output_bytes"


def test_a_problem_outside_the_list_is_our_failure(folder) -> None:
    with pytest.raises(SandboxFailed):
        ask(folder, "refuse", kind="foreign")


def test_a_missing_file_is_our_failure_and_text_is_refused(folder) -> None:
    (folder / "text").write_text("no recording")

    with pytest.raises(MediaRefused):
        ask(folder, "open_recording", name="text")
    with pytest.raises(SandboxFailed):
        ask(folder, "open_recording", name="../text")


def test_cancelling_interrupts_a_child(folder) -> None:
    with pytest.raises(Cancelled):
        python_child(CHILD, {"do": "echo", "value": 1}, folder, cancel=lambda: True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"answer": [1]}', id="another shape"),
        pytest.param('{"problem": {"kind": "Problem", "detail": "x"}}', id="an unlisted kind"),
        pytest.param('{"problem": "text"}', id="a problem that is text"),
        pytest.param('{"answer": {}, "answer"', id="half"),
    ],
)
def test_a_forged_answer_is_our_failure(folder, text: str) -> None:
    with pytest.raises(SandboxFailed):
        ask(folder, "forge", text=text)


def test_a_forged_problem_is_cut_to_size(folder) -> None:
    said = '{"problem": {"kind": "NoMedia", "detail": "%s", "extensions": {"a": {"b": 1}, "c": 2}}}'

    with pytest.raises(NoMedia) as raised:
        ask(folder, "forge", text=said % ("x" * 5_000))

    assert len(raised.value.detail) == 400
    assert raised.value.extensions == {"c": 2}


def test_an_answer_that_links_elsewhere_is_not_followed(folder, tmp_path) -> None:
    (tmp_path / "ours.json").write_text('{"answer": {"secret": 1}}')

    with pytest.raises(SandboxFailed):
        ask(folder, "point_elsewhere", target=str(tmp_path / "ours.json"))


def test_a_child_is_told_little_and_finds_only_our_packages(folder, monkeypatch) -> None:
    monkeypatch.setenv("MOBULA_PEPPER", "very secret")

    said = ask(folder, "surroundings")

    assert "MOBULA_PEPPER" not in said["environment"]
    assert said["environment"]["OPENBLAS_NUM_THREADS"] == "1"
    assert said["folder"] == str(folder)
    assert str(ROOT) not in said["path"]
    assert str(folder) not in said["path"]
