"""What broke other inference gateways in 2026, tried on this one: code that users bring, and
secrets in what is written down. Who is let in is in test_known_attacks.py.
"""

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.administration.test_matrix import BODIES
from tests.api.administration.world import HOOK, PASSWORD, World
from tests.api.fakes import WordsModel

ME, LOGIN, REFRESH = "/api/v1/auth/me", "/api/v1/auth/login", "/api/v1/auth/refresh"
CHAT = "/v1/chat/completions"


async def rows(world: World, table: str) -> list[Any]:
    async with world.database.read() as connection:
        return list(await connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")))


# 1. Code that a user brings

COMMANDS = {
    "command", "cmd", "args", "argv", "env", "exec", "script", "code", "stdio", "path", "file",
    "filename", "folder", "directory", "source", "module", "plugin", "trust_remote_code",
    "repo", "checkpoint", "engine", "pickle", "chat_template", "callback", "proxy",
    "api_base", "base_url",
}  # fmt: skip
PICTURES = {"source"}  # of Anthropic's block of a picture: its base64, its URL or its file
BROUGHT = (
    "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "https://evil.example/model",
    "s3://evil/model", "hf://evil/model", "evil/model", "words/../../evil", "words\x00evil",
    "$(id)", "`id`", "__import__('os').system('id')", "{{ cycler.__init__ }}", "words@evil",
)  # fmt: skip
DEEDS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect",
         "socket.getaddrinfo", "ctypes.dlopen", "pickle.find_class")  # fmt: skip
_watched: list[list[str]] = []


@contextmanager
def deeds() -> Iterator[list[str]]:
    """What this process starts, connects to or loads meanwhile, as the interpreter reports it."""
    if not _watched:
        sys.addaudithook(_audit)  # stays for good, and is silent outside of this block
    seen: list[str] = []
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.append([])


def _audit(name: str, arguments: tuple[Any, ...]) -> None:
    heavy = name == "import" and arguments[0] in ("torch", "transformers", "vllm")
    evil = name == "open" and any(word in str(arguments[0]) for word in ("passwd", "evil"))
    if _watched and (heavy or evil or name.startswith(DEEDS)):
        _watched[-1].append(f"{name} {arguments}")


async def test_no_route_takes_a_command_a_path_or_the_source_of_a_model(world: World) -> None:
    """CVE-2026-30623: users could configure a tool server, and with it a command to be run."""
    api = (await world.ask("operator", "GET", "/openapi.json")).json()

    taken = set(asked_for(api))
    assert len(taken) > 50
    assert taken & COMMANDS <= PICTURES


def asked_for(api: dict[str, Any]) -> Iterator[str]:
    """The names of every parameter and every field of a body, however deep."""
    for path in api["paths"].values():
        for operation in path.values():
            for found in operation.get("parameters", ()):
                shared = found.get("$ref", "").rpartition("/")[2]
                yield (api["components"]["parameters"][shared] if shared else found)["name"]
            content = dict(operation.get("requestBody", {}).get("content", {}))
            content.pop("multipart/form-data", None)  # its `file` is the bytes themselves
            yield from fields(content, api, set())


def fields(schema: Any, api: dict[str, Any], seen: set[str]) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from fields(part, api, seen)
    elif isinstance(schema, dict):
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            yield from fields(api["components"]["schemas"][name], api, seen)
        properties = schema.get("properties", {})
        if isinstance(properties, dict):
            yield from properties
        for key, part in schema.items():
            if key not in ("example", "examples"):
                yield from fields(part, api, seen)


@pytest.mark.parametrize("brought", BROUGHT)
async def test_a_model_s_name_is_looked_up_and_never_loaded(
    world: World, model: WordsModel, brought: str
) -> None:
    """The same class for models: a name that is a path, an address or a program stays a name."""
    extra = {"trust_remote_code": True, "engine": "transformers", "source": brought}
    with deeds() as seen:
        for path in (CHAT, "/v1/completions", "/api/v1/captions"):
            for more in ({}, extra):
                body = {**BODIES[f"POST {path}"], "model": brought, **more}
                answer = await world.ask("operator", "POST", path, json=body)
                assert answer.status_code in (400, 404, 422), (path, answer.text)

    assert seen == []
    assert model.requests == []


# 2. Secrets in what is written down


async def test_no_secret_is_written_anywhere(
    world: World,
    access_log: list[bytes],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Authorization headers of callers ended up in usage logs and traces of other gateways."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "mobula")
    monkeypatch.setattr(logging.getLogger("mobula"), "propagate", True)
    logging.getLogger("mobula.ingress").debug("records are seen")
    async with secrets_used(world) as used:
        secrets, answers = used
    await world.trail.flush()
    written = {path: path.read_bytes() for path in files(world.services.settings.home)}
    written |= {path: path.read_bytes() for path in files(home_of(world))}

    assert len(secrets) == 12
    assert len(access_log) > 15
    ours = [record for record in caplog.records if record.name != "httpx"]  # the test's client
    logged = "".join(repr(record.__dict__) + record.getMessage() for record in ours)
    assert "records are seen" in logged
    for name, secret in secrets.items():
        assert secret not in logged, f"{name} was logged"
        assert not any(secret.encode() in line for line in access_log), f"{name} in the access log"
        for answer in answers:
            assert secret not in answer.text, f"{name} in {answer.request.url}"
            assert secret not in str(answer.headers)
        for path, content in written.items():
            assert secret.encode() not in content, f"{name} in {path.name}"
    for table in ("audit_records", "events", "deliveries", "usage", "webhooks"):
        dumped = repr(await rows(world, table))
        assert not any(secret in dumped for secret in secrets.values()), table


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def home_of(world: World) -> Path:
    return Path(str(world.database.engine.url.database)).parent


@asynccontextmanager
async def secrets_used(
    world: World,
) -> AsyncIterator[tuple[dict[str, str], list[httpx.Response]]]:
    """Every kind of secret presented in every way; the answers that must not repeat them.

    An unknown model's name and a request's id are repeated to whoever sent them, and only there.
    """
    keys = "/api/v1/tenants/acme/keys"
    body = {"email": "owner@acme.example", "password": PASSWORD}
    tokens = (await world.ask("anonymous", "POST", LOGIN, json=body)).json()
    fresh = {"refresh_token": tokens["refresh_token"]}
    renewed = (await world.ask("anonymous", "POST", REFRESH, json=fresh)).json()
    key = (
        await world.ask("owner", "POST", keys, json={"name": "k", "scopes": ["generate"]})
    ).json()
    rotated = await world.ask("owner", "POST", f"{keys}/{key['id']}/rotate", json={"grace_s": 60})
    hooks = "/api/v1/tenants/acme/webhooks"
    hook = (await world.ask("owner", "POST", hooks, json={"url": HOOK})).json()
    await world.ask("owner", "POST", f"{hooks}/{hook['id']}/test", json={})
    new = {"email": "new@acme.example", "password": "brand new pass phrase", "role": "viewer"}
    await world.ask("owner", "POST", "/api/v1/tenants/acme/users", json=new)
    secrets = {
        "password": PASSWORD,
        "new password": new["password"],
        "mistyped password": "correct horse batteri",
        "access token": tokens["access_token"],
        "renewed access token": renewed["access_token"],
        "refresh token": tokens["refresh_token"],
        "renewed refresh token": renewed["refresh_token"],
        "key": key["key"],
        "rotated key": rotated.json()["key"],
        "webhook secret": hook["secret"],
        "mistyped key": f"{key['key'][:-3]}xyz",
        "prompt": "my medical history is private",
    }
    yield secrets, [answer async for answer in presented(world, secrets, hook["id"])]


async def presented(
    world: World, secrets: dict[str, str], hook: str
) -> AsyncIterator[httpx.Response]:
    wrong = {"email": "owner@acme.example", "password": secrets["mistyped password"]}
    yield await world.ask("anonymous", "POST", LOGIN, json=wrong)
    yield await world.ask("anonymous", "POST", LOGIN, json={**wrong, "email": PASSWORD})
    yield await world.ask("anonymous", "POST", LOGIN, json={**wrong, "password": [PASSWORD]})
    used = {"refresh_token": secrets["refresh token"]}
    yield await world.ask("anonymous", "POST", REFRESH, json=used)
    yield await world.ask("anonymous", "POST", REFRESH, json={"refresh": used["refresh_token"]})
    chat = {"model": "words", "messages": [{"role": "user", "content": secrets["prompt"]}]}
    for name in ("access token", "renewed access token", "key", "rotated key", "mistyped key"):
        world.credentials["tried"] = secrets[name]
        yield await world.ask("tried", "GET", ME)
        yield await world.ask("tried", "POST", CHAT, json=chat)
        await world.ask("tried", "POST", CHAT, json={**chat, "model": secrets[name]})
        yield await world.ask("tried", "POST", CHAT, content=f'{{"api_key": "{secrets[name]}"')
        await world.ask("anonymous", "GET", ME, headers={"X-Request-ID": secrets[name]})
        await world.ask("anonymous", "GET", f"{ME}/{secrets[name]}")
        yield await world.ask("anonymous", "GET", ME, headers={"X-Api-Key": secrets[name]})
        yield await world.ask("anonymous", "GET", ME, params={"api_key": secrets[name]})
        basic = {"Authorization": f"Basic {secrets[name]}"}
        yield await world.ask("anonymous", "GET", ME, headers=basic)
    yield await world.ask("owner", "GET", f"/api/v1/tenants/acme/webhooks/{hook}")
    yield await world.ask("owner", "GET", "/api/v1/tenants/acme/keys")
    yield await world.ask("owner", "GET", "/api/v1/audit", params={"limit": "200"})
    yield await world.ask("owner", "GET", "/api/v1/events", params={"limit": "200"})
    yield await world.ask("owner", "GET", "/api/v1/tenants/acme/users")
