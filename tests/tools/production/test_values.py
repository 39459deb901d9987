"""A values file is refused with the field, and with what is wrong about it."""

from pathlib import Path
from typing import Any

import pytest

from cluster.production.environment import optional_variables
from cluster.production.values import InvalidValues, Values, parse, read_yaml


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param({"imgae": "mobula:1"}, r"imgae: Extra inputs", id="unknown"),
        pytest.param({"name": "Acme"}, r"name: ", id="name"),
        pytest.param({"name": "a" * 41}, r"name: ", id="long name"),
        pytest.param({"workers": {"min": 5, "max": 4}}, r"workers: .*max, 4, must", id="bounds"),
        pytest.param({"workers": {"min": 0, "max": 0}}, r"workers: .*at least 1", id="nobody"),
        pytest.param({"longest_stream_s": 3601}, r"longest_stream_s: .*3600", id="stream"),
        pytest.param({"blobs": "/var/blobs"}, r"blobs: ", id="folder"),
        pytest.param({"blobs": "s3://key:secret@host/b"}, r"blobs: ", id="secret in a URL"),
        pytest.param({"gcs_redis": "redis://:pw@host:6379"}, r"gcs_redis: ", id="password"),
        pytest.param({"hosts": []}, r"hosts: ", id="no host"),
        pytest.param(
            {"upgrade": {"step_percent": 30, "surge_percent": 20}},
            r"upgrade: .*step_percent, 30, is more",
            id="step",
        ),
    ],
)
def test_what_cannot_be_rendered_is_refused_by_name(content: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValues, match=says):
        parse(content)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidValues) as refused:
        parse({"name": "A", "workers": {"cpus": 0}, "secrets": {"pepper": ""}})
    fields = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert fields == ["name", "secrets.pepper", "workers.cpus"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"colour": "red"}, "there is no such setting", id="unknown"),
        pytest.param({"gcs_port": 1}, "the manifests decide it", id="decided"),
        pytest.param({"database_url": "x"}, "is a secret", id="secret"),
    ],
)
def test_a_setting_that_cannot_be_chosen_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValues, match=says):
        optional_variables(Values(settings=settings))


def test_settings_are_written_as_the_environment_wants_them() -> None:
    values = Values(settings={"webhooks_private_hosts": True, "request_timeout_s": 30.5})
    assert optional_variables(values)["MOBULA_WEBHOOKS_PRIVATE_HOSTS"] == "true"
    assert optional_variables(values)["MOBULA_REQUEST_TIMEOUT_S"] == "30.5"


@pytest.mark.parametrize("text", ["- a list", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    with pytest.raises(InvalidValues, match=r"values\.yaml"):
        read_yaml(path)
