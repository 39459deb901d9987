"""A Ray job gets its key by a private file: nothing of a key stands in its runtime environment."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli import demo, job_keys
from cluster.ops.dashboard import DashboardClient
from cluster.runtime.clock import ManualClock
from cluster.runtime.logging import contains_credential
from cluster.runtime.settings import ROOT, Settings

KEY = "mob_abcdefghijkl_" + "S3cr" * 8
ADMIN = "mob_administratr_" + "T0ps" * 8


class Api:
    """The cluster's keys, and what was asked of them."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.revoked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {ADMIN}"
        if request.method == "POST" and request.url.path == "/api/v1/tenants/default/keys":
            self.made.append(json.loads(request.content))
            return httpx.Response(201, json={"id": "abcdefghijkl", "key": KEY})
        self.revoked.append(request.url.path.rpartition("/")[2])
        return httpx.Response(204)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def http(api: Api) -> httpx.Client:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    return httpx.Client(
        base_url="http://cluster", transport=httpx.MockTransport(api), headers=headers
    )


def test_the_key_may_generate_for_a_while_and_lies_in_a_private_file(
    api: Api, http: httpx.Client, tmp_path: Path
) -> None:
    with job_keys.lend_key(http, tmp_path, ttl_s=600) as key:
        assert key.file.read_text().strip() == KEY
        assert stat.S_IMODE(key.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.file.parent.stat().st_mode) == 0o700
        assert api.made == [{"name": "Ray job", "scopes": ["generate"], "expires_in_s": 600}]
        assert api.revoked == []

    assert not key.file.exists()
    assert api.revoked == ["abcdefghijkl"]


def test_files_of_keys_that_have_expired_go(http: httpx.Client, tmp_path: Path) -> None:
    clock = ManualClock()
    old = job_keys.create_key(http, tmp_path, ttl_s=60, clock=clock)
    clock.advance(59)
    kept = job_keys.create_key(http, tmp_path, ttl_s=3600, clock=clock)
    assert old.file.exists()
    clock.advance(1)
    job_keys.create_key(http, tmp_path, ttl_s=7200, clock=clock)

    assert not old.file.exists()
    assert kept.file.exists()


class Jobs(DashboardClient):
    """Ray's dashboard, as far as it takes a job; `seen` is what Ray would log of it."""

    seen: list[str] = []

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self._http = httpx.Client(base_url=url, transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            body = json.loads(request.content)
            self.seen.append(request.content.decode())
            file = Path(body["runtime_env"]["env_vars"][job_keys.VARIABLE])
            assert file.read_text().strip() == KEY
            return httpx.Response(200, json={"submission_id": "job"})
        found: Mapping[str, Any] = {"status": "SUCCEEDED", "logs": ""}
        return httpx.Response(200, json=found)


def test_the_demo_hands_its_job_a_path_and_no_key(
    api: Api, http: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DashboardClient", Jobs)
    (tmp_path / "ray.token").write_text("t")

    demo._job("http://ray", Settings(home=tmp_path), http)

    [sent] = Jobs.seen
    assert not contains_credential(sent)
    assert "S3cr" not in sent
    assert ADMIN not in sent
    assert api.revoked == ["abcdefghijkl"]


@pytest.mark.parametrize(
    ("entrypoint", "env"),
    [("true", {"X": KEY}), (f"X={KEY} true", {}), ("true", {"X": f"Bearer {ADMIN}"})],
)
def test_a_key_in_a_jobs_runtime_environment_or_command_is_refused(
    entrypoint: str, env: Mapping[str, str]
) -> None:
    with pytest.raises(ValueError, match="MOBULA_API_KEY_FILE"):
        Jobs("http://ray", "t").submit(entrypoint, env)


def test_no_guide_puts_a_key_into_a_runtime_environment() -> None:
    guides = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs" / "examples").glob("*.py")]
    for path in guides:
        text = path.read_text()
        assert "env_vars: {MOBULA_API_KEY:" not in text, path
        for line in text.splitlines():
            assert not ("runtime-env" in line and "keys show" in line), path
