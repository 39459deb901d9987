"""Where a provider's key is not: logs, answers, health, metrics, configurations, processes, rows.

Every fault is met at debug level, among them errors that quote the key they were sent, with keys of
every form: an upstream chooses its words, and knows the key.
"""

import asyncio
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import ValidationError

from cluster.runtime.problems import Problem
from deployments.providers.config import ProvidersConfig
from graphs.args import AppArgs
from graphs.provider_args import providers_config
from tests.upstream_server import content_faults
from tests.upstream_server.application import GatewayApplication, gateway_application
from tests.upstream_server.faults import FAULTS, LATE
from tests.upstream_server.provider_models import PRIVATE_HOSTS, model_settings, served_model
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer

KEYS = {
    "of the usual form": "sk-proj-Zx81aPq0LmN3bVt7RkYw",
    "short": "hunter2",
    "of words": "correct-horse.battery",
    "of base64": "dGhlIGtleSBvZiB0aGUgb3BlcmF0b3I/+w==",
}
STATUSES = (400, 401, 403, 404, 409, 413, 422, 429, 500)
QUOTING = [
    *(content_faults.repeats_key(status) for status in STATUSES),
    content_faults.repeats_key_with_200,
]
ALWAYS_ASKED = {"retries": 1, "breaker": {"min_requests": 100_000}}


class LogLines(logging.Handler):
    """Everything that any logger says, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")
        if record.exc_info:
            self.lines += traceback.format_exception(*record.exc_info)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    handler, root = LogLines(), logging.getLogger()
    loggers = [root, logging.getLogger("mobula"), logging.getLogger("asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    logging.getLogger("mobula").addHandler(handler)
    yield handler.lines
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
        logger.removeHandler(handler)


@pytest.fixture(params=KEYS.values(), ids=KEYS.keys())
def secret(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def key_place(
    place: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str | None]:
    """The settings that name the place of the key."""
    if place == "environment":
        monkeypatch.setenv("UPSTREAM_KEY", secret)
        return {"key_env": "UPSTREAM_KEY"}
    path = tmp_path / "upstream.key"
    path.write_text(f"{secret}\n")
    return {"key_env": None, "key_file": str(path)}


@pytest.fixture
async def gateway(
    upstream: UpstreamServer, key_place: dict[str, str | None], tmp_path: Path
) -> AsyncIterator[GatewayApplication]:
    common = {"resilience": ALWAYS_ASKED, **key_place}
    models = [
        model_settings([upstream], "openai", **common),
        {**model_settings([upstream], "anthropic", **common), "id": "a"},
    ]
    async with gateway_application(tmp_path / "home", models, log_level="DEBUG") as application:
        yield application


async def meet_every_fault(
    gateway: GatewayApplication, upstream: UpstreamServer, *, in_turn: bool
) -> list[str]:
    """Everything that callers were told. `in_turn`: each fault in two of its four forms."""
    quick = [
        fault.respond
        for fault in FAULTS.values()
        if not fault.is_big and LATE not in (fault.whole, fault.stream)
    ]
    told: list[str] = []
    for number, respond in enumerate((*quick, *QUOTING)):
        for turn, model in enumerate(("m", "a")):
            for streamed in (False, True):
                if in_turn and streamed == bool((number + turn) % 2):
                    continue
                upstream.default = respond
                told.append(await ask(gateway, model, streamed=streamed))
                gateway.ask_all_upstreams()
    return told


async def ask(gateway: GatewayApplication, model: str, *, streamed: bool) -> str:
    messages = [{"role": "user", "content": "hello"}]
    body = {"model": model, "messages": messages, "temperature": 1, "stream": streamed}
    headers = {"Mobula-Timeout": "2"}
    response = await gateway.client.post("/v1/chat/completions", json=body, headers=headers)
    return f"{response.headers}{response.text}"


async def read_everything(operator: httpx.AsyncClient) -> list[str]:
    paths = ("/health", "/metrics", "/v1/models", "/version", "/api/v1/audit", "/api/v1/usage")
    answers = [await operator.get(path) for path in paths]
    assert all(answer.status_code < 500 or answer.status_code == 503 for answer in answers)
    return [f"{answer.headers}{answer.text}" for answer in answers]


def files_with(text: str, folder: Path) -> list[str]:
    """The database, journals, whatever else the application writes."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def processes_with(text: str) -> list[int]:
    """Those whose command line has it: everyone on the machine may read that."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if text in " ".join(words):
            found.append(process.pid)
    return found


@pytest.mark.parametrize(
    ("secret", "place", "in_turn"),
    [
        (KEYS["short"], "file", True),
        pytest.param(KEYS["of the usual form"], "environment", False, marks=pytest.mark.exhaustive),
    ],
)
async def test_a_key_is_nowhere_after_every_fault(
    gateway: GatewayApplication,
    upstream: UpstreamServer,
    secret: str,
    in_turn: bool,
    logged: list[str],
    tmp_path: Path,
) -> None:
    told = await meet_every_fault(gateway, upstream, in_turn=in_turn)
    assert len(upstream.requests) >= len(told)
    told += await read_everything(gateway.operator)
    await gateway.ledger()

    sent = {each.header("authorization") or each.header("x-api-key") for each in upstream.requests}
    assert sent == {secret, f"Bearer {secret}"}, "the upstream is to know it"
    assert [text for text in told if secret in text] == []
    assert [line for line in logged if secret in line] == []
    lost = ("never retrieved", "destroyed but it is pending", "never awaited")
    assert [line for line in logged if any(words in line for words in lost)] == []
    assert files_with(secret, tmp_path / "home") == []
    assert processes_with(secret) == []
    services = gateway.running.services
    assert secret not in repr(services)
    for model in services.models.text_models.values():
        assert secret not in repr(model)
        assert secret not in repr(vars(model))


@pytest.mark.parametrize("engine", ["openai", "anthropic"])
async def test_no_problem_holds_a_key(engine: str, upstream: UpstreamServer, secret: str) -> None:
    """Problems cross processes with all they have, and are logged with their causes."""
    async with served_model([upstream], engine, {"UP_KEY": secret}) as served:
        for respond in QUOTING:
            upstream.default = respond
            with pytest.raises(Problem) as raised:
                await served.model.generate(chat_request())
            problem = raised.value
            assert secret.encode() not in pickle.dumps(problem)
            assert secret not in "".join(traceback.format_exception(problem))
            for held in served.model.caller.upstreams.values():
                assert secret not in repr(held.last_problem)
                held.readmit()


@pytest.mark.parametrize("place", ["environment", "file"])
def test_what_serve_stores_of_an_application_names_only_the_place(
    secret: str, key_place: dict[str, str | None]
) -> None:
    """Serve keeps and logs the args, and pickles the configuration to each replica."""
    model = {"id": "m", "engine": "openai", "base_url": "http://127.0.0.1:9/v1", **key_place}
    args = AppArgs.model_validate({"models": [model], "egress": {"private_hosts": PRIVATE_HOSTS}})
    config = providers_config(args.provider_models, args.provider_embeddings, args.egress)
    assert isinstance(config, ProvidersConfig)

    for text in (repr(args), args.model_dump_json(), repr(config), str(config)):
        assert secret not in text
    assert secret.encode() not in pickle.dumps(args) + pickle.dumps(config)


@pytest.mark.parametrize("header", ["authorization", "api-key", "X-Api-Key", "Cookie"])
def test_a_key_in_the_configuration_is_refused(header: str) -> None:
    model = {"id": "m", "engine": "openai", "headers": {header: "Bearer hunter2"}}

    with pytest.raises(ValidationError, match="key") as refused:
        AppArgs.model_validate({"models": [model]})

    assert "hunter2" not in str(refused.value)


async def test_a_key_file_that_changes_is_used_without_a_restart(
    upstream: UpstreamServer, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("first")
    settings = {"key_env": None, "key_file": str(path), "check": True}
    models = [model_settings([upstream], **settings)]
    async with gateway_application(tmp_path / "home", models) as gateway:
        await ask(gateway, "m", streamed=False)
        path.write_text("second")
        async with asyncio.timeout(30):
            while upstream.requests[-1].header("authorization") != "Bearer second":
                await ask(gateway, "m", streamed=False)
                await asyncio.sleep(0.1)
        path.unlink()  # the key stays as it was

        assert await ask(gateway, "m", streamed=False)

    used = [each.header("authorization") for each in upstream.requests if each.method == "POST"]
    assert set(used) == {"Bearer first", "Bearer second"}
    assert used[-1] == "Bearer second"


async def test_a_missing_key_is_said_without_asking_the_upstream(
    upstream: UpstreamServer, tmp_path: Path
) -> None:
    settings = {"key_env": "NO_SUCH_VARIABLE"}
    async with gateway_application(
        tmp_path / "home", [model_settings([upstream], **settings)]
    ) as gateway:
        told = await ask(gateway, "m", streamed=False)

    assert "NO_SUCH_VARIABLE" not in told or "not set" in told
    assert upstream.requests == []
