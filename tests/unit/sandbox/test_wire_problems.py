"""Problems of recordings survive every boundary, and those of a child only by name."""

import pickle

import pytest

from cluster.runtime.problems import Problem
from deployments.sandbox import errors
from deployments.sandbox.errors import (
    WIRE,
    MediaDamaged,
    MediaEncrypted,
    MediaIncomplete,
    MediaRefused,
    MediaTimeout,
    MediaTooLarge,
    MediaTooShort,
    NoMedia,
    RenderFailed,
    SandboxFailed,
    SandboxUnavailable,
    ScratchFull,
    TranscriptRefused,
    from_wire,
    to_wire,
)
from deployments.sandbox.inputs import INPUT_OPTIONS, ffmpeg_input, input_name

ALL: list[Problem] = [
    MediaRefused(),
    MediaTooLarge("max_pixels", 100, 200),
    MediaTooShort(0.01, 0.1),
    MediaDamaged(signal=11),
    MediaIncomplete(),
    MediaEncrypted(),
    NoMedia(),
    MediaTimeout("probe", 2.5),
    ScratchFull(),
    SandboxFailed(),
    SandboxUnavailable("no Landlock"),
    RenderFailed(),
    TranscriptRefused("It begins after the recording's end."),
]


def named(problem: Problem) -> str:
    return type(problem).__name__


def test_every_problem_of_the_module_is_tested_here() -> None:
    defined = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, Problem)
        and kind.__module__ == errors.__name__
    }
    assert {named(problem) for problem in ALL} == defined


@pytest.mark.parametrize("problem", ALL, ids=named)
def test_it_round_trips_through_pickle(problem: Problem) -> None:
    again = pickle.loads(pickle.dumps(problem))

    assert type(again) is type(problem)
    assert (again.detail, again.extensions) == (problem.detail, problem.extensions)


@pytest.mark.parametrize("problem", ALL, ids=named)
def test_its_slug_is_its_own_and_its_status_an_error(problem: Problem) -> None:
    assert [other.slug for other in ALL].count(problem.slug) == 1
    assert type(problem).slug != type(problem).__mro__[1].slug
    assert problem.status >= 400


@pytest.mark.parametrize("problem", [p for p in ALL if named(p) in WIRE], ids=named)
def test_a_child_can_tell_it(problem: Problem) -> None:
    again = from_wire(to_wire(problem))

    assert type(again) is type(problem)
    assert (again.detail, again.extensions) == (problem.detail, problem.extensions)


def test_a_limit_is_told_with_what_was_found() -> None:
    assert MediaTooLarge("max_fps", 240.0, 1000.0).detail == "max_fps: is 1000; the limit is 240."
    assert MediaTooLarge("cpu_s", 20).detail == "cpu_s: is over the limit; the limit is 20."


def test_input_is_always_a_local_file_in_an_accepted_container() -> None:
    options = ffmpeg_input("source.mp4")

    assert options[-2:] == ["-i", "file:source.mp4"]
    assert options[options.index("-protocol_whitelist") + 1] == "file"
    assert {f"-{key}" for key in INPUT_OPTIONS} <= set(options)
    assert not {"concat", "hls", "dash", "image2", "svg_pipe"} & set(
        INPUT_OPTIONS["format_whitelist"].split(",")
    )


@pytest.mark.parametrize(
    "name", ["", "../x", "/x", "-x", "a b", "x" * 101, "http://x", "a|b", ".x"]
)
def test_a_name_from_outside_is_no_input(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        input_name(name)
