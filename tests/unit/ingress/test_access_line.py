"""One line of JSON for each request, whatever the request's words are."""

from typing import Any

import orjson
import pytest

from cluster.auth.keys import mint
from cluster.runtime.clock import SystemClock
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.middleware.boundary import MAX_PATH, access_line


def line_of(path: str, **state: Any) -> bytes:
    scope: dict[str, Any] = {"method": "GET", "path": path, "client": ("127.0.0.1", 1)}
    scope[STATE_KEY] = RequestState(**state)
    return access_line(SystemClock(), scope, 404, 1.0, 10)


@pytest.mark.parametrize(
    "separator",
    [
        "\u2028",
        "\u2029",
        "\x85",
        "\x9b31m",
        "\u202e",
        "\u2066",
        "\u200b",
        "\ufeff",
        "\x7f",
        "\U000e0041",
    ],
)
def test_separators_and_direction_marks_of_clients_are_escaped(separator: str) -> None:
    path = f"/a{separator}b"

    line = line_of(path)

    assert separator.encode() not in line
    assert len(line.decode().splitlines()) == 1
    assert orjson.loads(line)["path"] == path


def test_credentials_in_path_request_id_and_model_are_not_logged() -> None:
    keys = [mint() for _ in range(3)]

    line = line_of(f"/jobs/{keys[0]}", request_id=keys[1], model=keys[2])

    assert not any(key[-32:].encode() in line for key in keys)


def test_a_long_path_is_cut_and_no_part_of_a_credential_is_left() -> None:
    key = mint()
    for before in range(MAX_PATH - 50, MAX_PATH + 2):
        line = line_of("/" + "a" * before + "/" + key + "/" + "b" * 100_000)
        assert key[-32:-22].encode() not in line
        assert len(line) < MAX_PATH + 300
