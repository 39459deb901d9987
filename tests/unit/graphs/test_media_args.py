"""The section `media` of the configuration: what it reserves, and what it takes from `video`."""

from typing import Any

from graphs.args import AppArgs
from graphs.media import media_config
from graphs.options import declared_cpus, media_options
from graphs.rollout_diff import restartable


def args(**sections: Any) -> AppArgs:
    return AppArgs.model_validate({"models": [{"id": "nano", "num_cpus": 0.5}], **sections})


def test_it_reserves_little_and_can_be_restarted_and_switched_off() -> None:
    given = args()
    options = media_options(given.media, given.video)
    assert (options["num_replicas"], options["ray_actor_options"]) == (1, {"num_cpus": 0.05})
    assert "media" in restartable(given)
    off = args(media={"enabled": False})
    assert "media" not in restartable(off)
    many = args(media={"replicas": 20, "num_cpus": 0.1})
    assert declared_cpus(many, 4) > declared_cpus(off, 4)


def test_files_speech_and_confinement_are_those_of_video() -> None:
    given = args(
        video={"store": "s3://b/x", "speech": "small", "sandbox": "best-effort"},
        media={"short_s": 30, "jobs": 2},
    )
    config = media_config(given)
    assert (config.store, config.speech) == ("s3://b/x", "small")
    assert (config.short_s, config.jobs) == (30, 2)
    actor = media_options(given.media, given.video)["ray_actor_options"]
    assert actor["runtime_env"] == {"env_vars": {"MOBULA_VIDEO_SANDBOX": "best-effort"}}
