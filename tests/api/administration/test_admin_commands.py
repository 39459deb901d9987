"""The administrative commands against the application, over HTTP."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from cluster.cli import api
from cluster.logs.process_log import logged_process
from cluster.runtime.settings import Settings
from tests.api.administration.conftest import NewWorld
from tests.api.administration.world import HOOK, PASSWORD, World
from tests.command_line import CommandResult, run_command
from tests.process_log import no_log_of_the_process  # noqa: F401

Run = Callable[..., CommandResult]


class Served:
    """A world served on a free port from a thread of its own, with a loop of its own."""

    def __init__(self, new_world: NewWorld) -> None:
        self.url = ""
        self.world: World | None = None
        self._new_world = new_world
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)

    async def _serve(self) -> None:
        async with self._new_world() as self.world:
            listening = socket.create_server(("127.0.0.1", 0))  # clients wait in its queue
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            config = uvicorn.Config(self.world.app, log_level="error", lifespan="off")
            self._server = uvicorn.Server(config)
            self._up.set()
            await self._server.serve([listening])


@pytest.fixture
def run(new_world: NewWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `mobula <words>` as the operator, or with `key`."""
    with Served(new_world) as server:
        assert server.world is not None
        credentials = server.world.credentials

        def connect(key: str | None) -> httpx.Client:
            headers = {"Authorization": f"Bearer {key or credentials['operator']}"}
            return httpx.Client(base_url=server.url, headers=headers, timeout=30, verify=False)

        monkeypatch.setattr(api, "connect", connect)

        def run(words: str, *more: str, code: int = 0, **options: Any) -> CommandResult:
            result = run_command([*words.split(), *more], **options)
            assert "Traceback" not in result.output
            assert result.exit_code == code, result.output
            return result

        yield run


def test_tenants(run: Run) -> None:
    run("tenants create newco --plan team", "--name", "New Co")
    run("tenants update newco --name Renamed")
    rows = json.loads(run("tenants list --json").stdout)
    run("tenants suspend newco")

    assert [row["id"] for row in rows] == ["acme", "default", "newco", "other"]
    assert "Renamed" in run("tenants show newco").stdout
    assert "suspended" in run("tenants list").stdout
    assert "already" in run("tenants create newco", code=1).stderr


def test_settings_of_a_tenant(run: Run) -> None:
    settings = "tenants settings --tenant acme"

    def default() -> object:
        return json.loads(run(f"{settings} --json").stdout)["default_model"]

    assert default() is None
    run(f"{settings} --default-model words --default-embedding-model letters")
    assert default() == "words"
    run(f"{settings} --unset default-model")
    assert default() is None
    assert "letters" in run(settings).stdout
    assert "leads to no model" in run(f"{settings} --default-model gpt-9", code=1).stderr


def test_plans(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("id: gold\nweight: 3\nbudgets: {tokens: {day: 100, month: 1000}}\n")
    run("plans put", str(file))
    shown = json.loads(run("plans show gold").stdout)
    file.write_text("id: gold\nbudgets: {tokens: {day: 100, month: 10}}\n")
    refused = run("plans put", str(file), code=1)

    assert shown["budgets"]["tokens"]["month"] == 1000
    assert "/budgets/tokens/month" in refused.stderr
    assert "gold" in run("plans list").stdout
    run("plans delete gold")
    assert "no plan" in run("plans show gold", code=1).stderr


def test_a_file_that_is_no_plan_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("[1]")

    assert "is not a plan" in run("plans put", str(file), code=1).stderr
    assert "none.json" in run("plans put", str(tmp_path / "none.json"), code=1).stderr


def test_keys(run: Run) -> None:
    made = json.loads(run("keys create ci -t acme -s generate -s models:read --json").stdout)
    rotated = json.loads(run(f"keys rotate {made['id']} -t acme --grace 60 --json").stdout)
    run(f"keys revoke {rotated['id']} -t acme")
    rows = json.loads(run("keys list -t acme --json").stdout)

    status = {row["id"]: row["status"] for row in rows}
    assert made["key"].startswith(f"mob_{made['id']}_")
    assert (status[made["id"]], status[rotated["id"]]) == ("active", "revoked")
    assert made["key"] not in json.dumps(rows)
    assert "no key" in run("keys revoke aaaaaaaaaaaa -t acme", code=1).stderr


def test_teams_and_limits_of_keys(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("models: [nano]\nspend: {amount: 25000000}\n")
    run("teams create research -t acme --name Research --policy", str(file))
    run("teams update research -t acme --name", "R and D")
    made = json.loads(
        run("keys create ci -t acme --team research --json --policy", str(file)).stdout
    )
    shown = json.loads(run("teams show research -t acme --json").stdout)
    refused = run("teams delete research -t acme", code=1)
    file.write_text("{}\n")
    freed = json.loads(run(f"keys update {made['id']} -t acme --json --policy", str(file)).stdout)
    run("teams delete research -t acme --detach")

    assert (made["team"], made["policy"]["models"]) == ("research", ["nano"])
    assert (shown["name"], shown["policy"]["spend"]["amount"]) == ("R and D", 25_000_000)
    assert "has keys" in refused.stderr
    assert (freed["policy"], freed["team"]) == (None, "research")
    assert "research" not in run("teams list -t acme").stdout
    file.write_text("[1]")
    assert "is not a policy" in run("keys create x -t acme --policy", str(file), code=1).stderr


def test_a_key_acts_in_its_own_tenant(run: Run) -> None:
    made = json.loads(run("keys create ops -t acme -s keys:read -s keys:write --json").stdout)
    rows = json.loads(run("keys list --json --key", made["key"]).stdout)
    by_environment = run("keys list --json", env={"MOBULA_API_KEY": made["key"]})

    assert {row["tenant"] for row in rows} == {"acme"}
    assert json.loads(by_environment.stdout) == rows
    assert "lacks the scope" in run("tenants list --key", made["key"], code=1).stderr


def test_users(run: Run) -> None:
    arguments = "users create new@acme.example --role developer -t acme --json"
    made = json.loads(run(arguments, input=f"{PASSWORD}\n").stdout)
    changed = run(f"users update {made['id']} --role viewer -t acme --json")
    run(f"users update {made['id']} --password -t acme", input="another good passphrase\n")
    run(f"users delete {made['id']} -t acme")

    assert json.loads(changed.stdout)["role"] == "viewer"
    assert "new@acme.example" not in run("users list -t acme").stdout
    assert "12" in run("users create x@acme.example -t acme", input="short\n", code=1).stderr


def test_usage_and_limits(run: Run) -> None:
    assert json.loads(run("usage --group-by day --group-by key --json").stdout) == []
    assert "cost" in run("usage --csv --tenant acme").stdout
    assert "revenue" in run("usage --group-by team --group-by model -t acme").stdout
    assert run("usage --only team=web --only model=nano --json").stdout.strip().startswith("[")
    assert "not known together" in run("usage --only team=a --only tag=b", code=1).stderr
    for odd in ("team", "colour=red"):
        assert "NAME=VALUE" in run(f"usage --only {odd}", code=1).stderr
    assert "team" in run("limits -t acme").stdout
    assert json.loads(run("limits -t acme --json").stdout)["state"] == []
    assert "unknown" not in run("usage --from nonsense", code=1).stderr.lower()


def test_audit(run: Run) -> None:
    rows = json.loads(run("audit search --action tenant. --tenant acme --json").stdout)
    lines = run("audit export --tenant acme").stdout.splitlines()

    assert [row["action"] for row in rows] == ["tenant.create"]
    assert len(lines) > 5
    assert all(json.loads(line)["mac"] for line in lines)


@pytest.mark.parametrize("before", ["2024-01-31", "1700000000"])
def test_old_audit_records_are_removed(run: Run, before: str) -> None:
    assert "0 records removed" in run(f"audit prune --before {before}").stdout


def test_young_audit_records_are_not_removed(run: Run) -> None:
    assert "a day old" in run("audit prune --before 2999-01-01", code=1).stderr
    assert "before" in run("audit prune --before yesterday", code=1).stderr


def test_webhooks(run: Run) -> None:
    made = json.loads(run("webhooks create", HOOK, "-t", "acme", "--json").stdout)
    run(f"webhooks update {made['id']} --status disabled -t acme")
    rotated = json.loads(run(f"webhooks rotate {made['id']} -t acme --json").stdout)

    assert made["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert made["id"] in run("webhooks list -t acme").stdout
    run(f"webhooks update {made['id']} --status active -t acme")
    assert "is queued" in run(f"webhooks test {made['id']} -t acme").stdout
    assert "webhook.test" in run(f"webhooks deliveries {made['id']} -t acme").stdout
    assert "webhook.test" in run("webhooks events -t acme --limit 3").stdout
    run(f"webhooks delete {made['id']} -t acme")


def test_signing_keys(run: Run) -> None:
    assert "signs in about 5 s" in run("signing-keys rotate").stdout


def test_log_levels(run: Run, tmp_path: Path) -> None:
    with logged_process(Settings(home=tmp_path), "ingress"):
        set_ = json.loads(run("logs level debug --logger mobula.jobs --for 10m --json").stdout)
        listed = json.loads(run("logs levels --json").stdout)
        run("logs reset --logger mobula.jobs")

        assert (set_["level"], set_["until"] - set_["set_at"]) == ("DEBUG", 600.0)
        assert listed == [set_]
        assert json.loads(run("logs levels --json").stdout) == []
        assert json.loads(run("logs errors --json").stdout) == []
        assert "level" in run("logs level loud", code=1).stderr


def test_scaling(run: Run) -> None:
    held = json.loads(run("scaling hold words --floor 2 --for 3600 --json").stdout)
    found = json.loads(run("scaling status --json").stdout)
    shown = run("scaling status").stdout

    assert (held["deployment"], held["floor"], held["ceiling"]) == ("Model:words", 2, None)
    assert held in [each["bounds"] for each in found["deployments"]]
    assert "held at 2 or more until" in shown
    assert "1 to 4 replicas" in shown
    run("scaling release words")
    assert "held" not in run("scaling status").stdout
    assert json.loads(run("scaling history words --json").stdout) == []
    assert "deployment" in run("scaling history").stdout
    assert "1 to 4" in run("scaling hold words --floor 9", code=1).stderr
    assert "fixed" in run("scaling hold org/letters --floor 1", code=1).stderr
    assert "no deployment or model" in run("scaling release nonsense", code=1).stderr


def test_cache(run: Run) -> None:
    made = json.loads(run("cache clear -t acme --tag post:17 --json").stdout)
    every = json.loads(run("cache clear --all --json").stdout)
    own = run("cache clear")

    assert (made["tenant"], made["kind"], made["name"]) == ("acme", "tag", "post:17")
    assert (every["tenant"], every["kind"]) == (None, "all")
    assert "tenant" in own.stdout
    assert json.loads(run("cache stats -t acme --json").stdout)["tenant"] == "acme"
    assert "off" in run("cache stats --all").stdout
    assert "give one of" in run("cache clear --tag a --model b", code=1).stderr
    assert "1 to 100" in run("cache clear --tag", "a b", code=1).stderr


def test_search(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "points.jsonl"
    points = [{"id": "1", "text": "a cab"}, {"id": "2", "text": "dad", "payload": {"old": True}}]
    file.write_text("\n".join(map(json.dumps, points)))
    id = run("search create drinks --model letters").stdout.strip()
    stored = run(f"search put drinks {file}").stdout
    again = run(f"search put {id} {file}").stdout
    found = run("search query drinks cab --explain").stdout
    only = run("search query drinks cab --json", "--filter", '{"eq": {"old": true}}').stdout
    job = run("search reindex drinks").stdout.strip()
    removed = run("search remove drinks 1 nobody").stdout
    run("search remove drinks", "--filter", '{"exists": "old"}')
    shown = json.loads(run("search show drinks --json").stdout)
    odd = run("search query drinks cab --filter {", code=1).output
    run("search delete drinks")

    assert "2 points are new" in stored
    assert "2 were replaced" in again
    assert "text_score" in found
    assert [each["id"] for each in json.loads(only)["results"]] == ["2"]
    assert shown["reindexing"] == job
    assert "1 points are deleted" in removed
    assert shown["points"] == 0
    assert "is not JSON" in odd
    assert run("search collections --json").stdout.strip() == "[]"


def test_library(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "post.txt"
    file.write_text("Coffee on the roof\n")
    id = run(f"library create {file} --title Roof --platform x --tag launch --id p").stdout.strip()
    file.write_text("Tea on the roof\n")
    run(f"library edit p --file {file} --note warmer")
    for step in ("submit", "approve"):
        run(f"library move p {step}")
    run("library schedule p 2030-01-01T09:00:00 --zone Europe/Berlin")
    moved = run("library schedule p 2030-01-02T09:00:00 --zone Europe/Berlin").stdout
    rows = json.loads(run("library list -q roof --tag launch --json").stdout)
    steps = json.loads(run("library history p --json").stdout)
    made = json.loads(run("library versions p --json").stdout)
    exported = run("library export --status scheduled").stdout
    illegal = run("library move p submit", code=1).output
    refused = run("library restore p 1", code=1).output
    near = json.loads(run("library similar p --json").stdout)
    counts = run("library metrics p").stdout
    run("library delete p")

    assert id == "p"
    assert "2030-01-02T09:00:00+01:00 Europe/Berlin" in moved
    assert [(row["id"], row["status"]) for row in rows] == [("p", "scheduled")]
    assert [each["transition"] for each in steps] == ["submit", "approve", "schedule", "reschedule"]
    assert [(each["version"], each["note"]) for each in made] == [(2, "warmer"), (1, "")]
    assert json.loads(exported)["body"] == "Tea on the roof"
    assert "possible are: publish" in illegal
    assert "draft only" in refused
    assert near == []
    assert "total" in counts
    assert "no post" in run("library show p", code=1).output


def test_templates(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("text: Write about {{ topic }} in {{ words }} words.\n"
                    "variables: {topic: {}, words: {type: integer}}\n"
                    "defaults: {model: words}\n")  # fmt: skip
    run(f"templates create brief {file} --note First")
    number = run(f"templates add brief {file}").stdout.strip()
    run("templates activate brief 1")
    moved = run("templates activate brief 2").stdout
    back = run("templates rollback brief").stdout
    rows = json.loads(run("templates list --json").stdout)
    made = json.loads(run("templates versions brief --json").stdout)
    shown = json.loads(run("templates show brief --version 1").stdout)
    rendered = run("templates render brief -v topic=tea -v words:=3").stdout
    compared = run("templates diff greeting 1 2 --tenant acme").stdout
    wrong = run("templates render brief -v topic", code=1).output

    assert number == "2"
    assert (moved, back) == ("production -> brief@2\n", "production -> brief@1\n")
    assert [(row["id"], row["active"], row["latest"]) for row in rows] == [("brief", 1, 2)]
    assert [row["version"] for row in made] == [2, 1]
    assert (shown["note"], shown["text"]) == (
        "First",
        "Write about {{ topic }} in {{ words }} words.",
    )
    assert rendered == "Write about tea in 3 words.\n"
    assert compared == "\n"
    assert "name=text" in wrong
    assert "is deleted" in run("templates delete brief").output


def test_templates_are_tested(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    example = {"name": "right", "expect": {"contains": ["two"]}}
    document = {"text": "Tea", "defaults": {"model": "words"}, "examples": [example]}
    file.write_text(json.dumps(document))
    run(f"templates create right {file}")
    file.write_text(json.dumps({**document, "examples": [{"expect": {"equals": "tea"}}]}))
    run(f"templates create wrong {file}")

    passed = run("templates test right --version 1").output
    failed = json.loads(run("templates test wrong --version 1 --json", code=3).stdout)

    assert "1 passed, 0 failed" in passed
    assert failed["results"][0]["failures"][0]["expectation"] == "equals"
