"""The section `health` of serve_config.yaml."""

from typing import Any

import pytest
from pydantic import ValidationError

from graphs.args import AppArgs

CHECK = {"name": "vectors", "url": "https://vectors.example.com/ready", "consequence": "None."}


def parse(*checks: dict[str, Any], private: tuple[str, ...] = ()) -> AppArgs:
    return AppArgs.model_validate(
        {
            "models": [{"id": "nano", "source": "nano"}],
            "health": {"checks": checks},
            "egress": {"private_hosts": private},
        }
    )


def test_a_check_of_a_host_that_is_named_may_be_private() -> None:
    args = parse(CHECK, {**CHECK, "name": "db", "url": "tcp://db-1:5432"}, private=("db-1",))

    config = args.health.config(args.egress.private_hosts, 3)

    assert [(each.name, each.is_private) for each in config.own] == [
        ("vectors", False),
        ("db", True),
    ]
    assert config.replicas == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://vectors.example.com/"}, "egress.private_hosts"),
        ({"url": "tcp://10.0.0.5:5432"}, "egress.private_hosts"),
        ({"url": "tcp://vectors.example.com"}, "tcp://host:port"),
        ({"url": "https://[/"}, "health.checks"),
        ({"interval_s": 0.1}, "greater than or equal to 1"),
        ({"consequence": ""}, "at least 1 character"),
        ({"name": "No Name"}, "pattern"),
        ({"key": "secret"}, "Extra inputs"),
    ],
)
def test_a_faulty_check_is_refused_before_anything_is_deployed(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        parse({**CHECK, **change})


def test_a_name_may_appear_once() -> None:
    with pytest.raises(ValidationError, match="twice: vectors"):
        parse(CHECK, CHECK)
