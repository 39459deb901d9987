"""What an operator may say about video, and which deployment comes of it."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from deployments.video.config import VideoConfig
from graphs.args import AppArgs
from graphs.options import clipper_options, ingress_options
from graphs.video import clipper, video_config

CONFIG = Path(__file__).parents[3] / "serve_config.yaml"
MODELS = [{"id": "nano", "engine": "echo"}, {"id": "big", "engine": "echo", "source": "a/big"}]


def args(video: dict[str, Any], **rest: Any) -> AppArgs:
    content = {"default": "nano"}
    return AppArgs.model_validate({"models": MODELS, "content": content, "video": video, **rest})


def test_video_is_on_unless_it_is_switched_off() -> None:
    assert video_config(args({})) == VideoConfig(speech="base")
    assert clipper(args({})) is not None
    assert not video_config(args({"enabled": False})).enabled
    assert clipper(args({"enabled": False})) is None


@pytest.mark.parametrize("off", ["off", "OFF", "", None])
def test_speech_recognition_can_be_switched_off(off: str | None) -> None:
    assert video_config(args({"speech": off})).speech is None


def test_the_shipped_config_says_the_defaults_of_video() -> None:
    [application] = yaml.safe_load(CONFIG.read_text())["applications"]

    shipped = AppArgs.model_validate(application["args"])

    assert shipped.video.enabled
    assert set(application["args"]["video"]) <= set(type(shipped.video).model_fields)


def test_the_default_provider_s_model_writes_descriptions() -> None:
    content = {"default": "house", "providers": {"house": "big"}}

    assert video_config(args({}, content=content)).writer == "big"
    assert video_config(args({"texts": False}, content=content)).writer is None


def test_the_shipped_model_writes_them_only_if_it_is_asked_to() -> None:
    assert video_config(args({})).writer is None
    assert video_config(args({"texts": True})).writer == "nano"


def test_what_is_said_reaches_the_replicas() -> None:
    said = {
        "jobs": 3,
        "side_by_side": 4,
        "piece_cpus": 0.5,
        "speech": "base",
        "gpu": False,
        "texts": True,
        "store": "s3://clips/all",
        "max_form_mib": 10,
    }

    assert video_config(args(said)) == VideoConfig(
        True, 3, 4, 0.5, "base", "nano", False, "s3://clips/all", 10 << 20
    )


def test_replicas_are_fixed_unless_more_are_allowed() -> None:
    fixed = clipper_options(args({"replicas": 2, "num_gpus": 0.5}).video)

    assert (fixed["name"], fixed["num_replicas"]) == ("Clipper", 2)
    assert fixed["ray_actor_options"] == {"num_cpus": 0.1, "num_gpus": 0.5}
    assert "autoscaling_config" not in fixed


def test_more_replicas_come_with_the_queue() -> None:
    options = clipper_options(args({"replicas": 1, "max_replicas": 8, "jobs": 2}).video)

    scaling = options["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 8)
    assert scaling["policy"]["policy_kwargs"] == {"jobs": 2}
    module, _, function = scaling["policy"]["policy_function"].partition(":")
    assert callable(getattr(import_module(module), function))
    assert "num_replicas" not in options


def test_serve_takes_the_options() -> None:
    for video in ({}, {"max_replicas": 4}):
        bound = clipper(args(video))
        assert bound is not None
        assert bound._bound_deployment.name == "Clipper"


@pytest.mark.parametrize(
    ("video", "field"),
    [
        pytest.param({"replicas": 0}, "video.replicas", id="no replica"),
        pytest.param({"replicas": 4, "max_replicas": 2}, "video.max_replicas", id="fewer at most"),
        pytest.param({"jobs": 0}, "video.jobs", id="no job"),
        pytest.param({"side_by_side": 0}, "video.side_by_side", id="no piece"),
        pytest.param({"piece_cpus": -1}, "video.piece_cpus", id="less than no core"),
        pytest.param({"store": ""}, "video.store", id="nowhere"),
        pytest.param({"max_form_mib": 0}, "video.max_form_mib", id="empty forms"),
        pytest.param({"colour": "red"}, "video.colour", id="an unknown field"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(video: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        args(video)

    assert field in str(refused.value)


def test_confinement_that_is_not_required_reaches_whoever_opens_recordings() -> None:
    loose = args({"sandbox": "best-effort"})
    environment = {"env_vars": {"MOBULA_VIDEO_SANDBOX": "best-effort"}}

    for options in (clipper_options(loose.video), ingress_options(loose.ingress, loose.video)):
        assert options["ray_actor_options"]["runtime_env"] == environment
    assert "runtime_env" not in clipper_options(args({}).video)["ray_actor_options"]
