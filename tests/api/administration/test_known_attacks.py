"""What broke other inference gateways in 2026, tried on this one; each test names its class.

The classes are from public advisories; identifiers are given where one was assigned.
"""

import hashlib
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from cluster.problems import Problem, Unauthenticated
from deployments.ingress.handles import HandleCalls
from tests.api.administration.test_matrix import BODIES
from tests.api.administration.world import HOOK, PASSWORD, World
from tests.api.fakes import WordsModel

ME, LOGIN, REFRESH = "/api/v1/auth/me", "/api/v1/auth/login", "/api/v1/auth/refresh"
CHAT = "/v1/chat/completions"
ROLES = ("owner", "admin", "developer", "viewer", "billing", "generate", "stranger")
INJECTIONS = (
    "' OR '1'='1' --",
    "mob_aaaaaaaaaaaa_x') UNION SELECT digest FROM api_keys --",
    "mob_aaaaaaaaaaaa_" + "a" * 32 + "'; DROP TABLE api_keys; --",
    "1 AND randomblob(100000000)",
    'e30.{"sub":"\' OR 1=1 --"}.x',
)


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """Every statement that reaches the store meanwhile."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = world.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def rows(world: World, table: str) -> list[Any]:
    async with world.database.read() as connection:
        return list(await connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")))


async def me(world: World, credential: str) -> httpx.Response:
    world.credentials["tried"] = credential
    return await world.ask("tried", "GET", ME)


# 1. SQL injection, unauthenticated


@pytest.mark.parametrize("path", [ME, "/v1/models", "/api/v1/plans"])
async def test_no_credential_becomes_part_of_a_statement(world: World, path: str) -> None:
    """CVE-2026-42208: the presented key was pasted into the SQL that looked it up."""
    async with world.client("anonymous") as client:
        with statements(world) as seen:
            for scheme in ("Bearer", "Basic"):
                for injection in INJECTIONS:
                    headers = {"Authorization": f"{scheme} {injection}"}
                    answer = await client.get(path, headers=headers)
                    assert answer.status_code == 401
                    assert injection not in answer.text

    assert seen == []


@pytest.mark.parametrize("injection", INJECTIONS)
async def test_nor_does_what_one_signs_in_with(world: World, injection: str) -> None:
    """The same class on the other doors that are open to everybody: values are always bound."""
    bodies = [
        (LOGIN, {"email": f"{injection}@acme.example", "password": PASSWORD}),
        (LOGIN, {"email": "o'owner@acme.example", "password": injection}),
        (REFRESH, {"refresh_token": injection}),
        ("/api/v1/auth/logout", {"refresh_token": injection}),
    ]
    with statements(world) as seen:
        for path, body in bodies:
            answer = await world.ask("anonymous", "POST", path, json=body)
            assert answer.status_code in (204, 401, 422)

    assert not any(word in statement for word in (injection, "o'owner") for statement in seen)


async def test_a_refusal_does_not_tell_what_was_wrong(world: World) -> None:
    """Guessing by the answer or by the clock: an unknown key reads and costs what a wrong one
    does."""
    known = world.credentials["generate"]
    id = known.split("_")[1]
    wrong, unknown = f"mob_{id}_{'a' * 32}", f"mob_{'a' * len(id)}_{'a' * 32}"
    answers = [await me(world, credential) for credential in (wrong, unknown, "mob_x", "a.b.c")]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(body == bodies[0] for body in bodies)
    took = medians(world.services.authenticator.verify, wrong, unknown)
    assert 0.5 < took[0] / took[1] < 2.0


def medians(verify: Callable[[str], object], *credentials: str) -> list[float]:
    """Seconds of a refusal of each, in turn."""
    took: list[list[float]] = [[] for _ in credentials]
    for _ in range(2000):
        for times, credential in zip(took, credentials, strict=True):
            began = time.perf_counter()
            with pytest.raises(Unauthenticated):
                verify(credential)
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in took]


# 2. Authentication remembered under a part of the token


async def test_tokens_that_begin_alike_are_different_people(world: World) -> None:
    """CVE-2026-35030: identities were cached under the first 20 characters of a token."""
    people = {}
    for role in ("owner", "viewer", "developer"):
        await world.sign_in(role)
        people[role] = world.credentials[role]
    begins = {token[:20] for token in people.values()}
    assert len(begins) == 1

    for _ in range(2):
        for role, token in people.items():
            assert (await me(world, token)).json()["role"] == role


async def test_a_remembered_token_does_not_vouch_for_a_forged_one(world: World) -> None:
    """The same class: once the genuine one is remembered, all but the signature is known."""
    await world.sign_in("owner")
    await world.sign_in("viewer")
    owner, viewer = (world.credentials[role].split(".") for role in ("owner", "viewer"))
    assert (await me(world, ".".join(owner))).status_code == 200
    assert (await me(world, ".".join(viewer))).status_code == 200
    head, payload, signature = owner
    flipped = signature[:-6] + ("AAAAAA" if not signature.endswith("AAAAAA") else "BBBBBB")
    forged = [
        (head, payload, viewer[2]),
        (head, viewer[1], signature),
        (head, payload, flipped),
        (head, payload, signature[:-2]),
        (head, payload, ""),
        (head, payload, "A" * len(signature)),
        (head, f"{payload}A", signature),
    ]
    for token in forged:
        assert (await me(world, ".".join(token))).status_code == 401, token


async def test_a_key_is_believed_whole_or_not_at_all(world: World) -> None:
    """The same class for API keys: neither a part of one nor one with another end passes."""
    key = world.credentials["generate"]
    assert (await me(world, key)).status_code == 200
    other = "0" if key[-1] != "0" else "1"
    for forged in (key[:20], key[:-1], key + "0", key[:-1] + other, key.swapcase(), key[:17] + "_"):
        assert (await me(world, forged)).status_code == 401, forged


# 3. Configuration by ordinary users

CHANGES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("PUT", "/api/v1/plans/team", {"id": "team", "weight": 100}),
    ("PUT", "/api/v1/plans/mine", {"id": "mine"}),
    ("DELETE", "/api/v1/plans/spare", {}),
    ("PATCH", "/api/v1/tenants/acme", {"plan": "spare"}),
    ("PATCH", "/api/v1/tenants/acme", {"status": "suspended"}),
    ("PATCH", "/api/v1/tenants/other", {"plan": "team"}),
    ("POST", "/api/v1/tenants", {"id": "mine", "name": "Mine"}),
    ("DELETE", "/api/v1/tenants/other", {}),
    ("POST", "/api/v1/auth/signing-keys/rotate", {}),
)


async def test_only_the_operator_changes_plans_limits_and_keys_of_the_house(world: World) -> None:
    """CVE-2026-35029: any signed-in user could rewrite the gateway's configuration."""
    tables = ("plans", "tenants", "signing_keys")
    before = [await rows(world, table) for table in tables]
    for caller in ROLES:
        for method, path, body in CHANGES:
            answer = await world.ask(caller, method, path, json=body)
            assert answer.status_code in (403, 404), (caller, method, path, answer.text)

    assert [await rows(world, table) for table in tables] == before


@pytest.mark.parametrize(
    ("caller", "method", "path", "body"),
    [
        ("developer", "POST", "/api/v1/tenants/acme/keys", {"name": "k", "scopes": ["admin"]}),
        ("developer", "PATCH", "/api/v1/tenants/acme/keys/{key}", {"scopes": ["admin"]}),
        ("owner", "POST", "/api/v1/tenants/acme/keys", {"name": "k", "scopes": ["plans:write"]}),
        ("developer", "PATCH", "/api/v1/tenants/acme/users/{user}", {"role": "owner"}),
        ("owner", "PATCH", "/api/v1/tenants/acme", {"name": "x", "secret": "x"}),
        ("owner", "PATCH", "/api/v1/tenants/acme", {"name": "x", "weight": 100}),
        ("owner", "PATCH", "/api/v1/tenants/acme/keys/{key}", {"name": "x", "tenant": "other"}),
        ("owner", "PATCH", "/api/v1/tenants/acme/users/{user}", {"tenant": "other"}),
    ],
)
async def test_nobody_hands_out_more_than_he_has(
    world: World, caller: str, method: str, path: str, body: dict[str, Any]
) -> None:
    """The same class by another way: a wider key, a higher role, a field that is not offered."""
    tables = ("tenants", "api_keys", "users")
    before = [[tuple(row) for row in await rows(world, table)] for table in tables]
    answer = await world.ask(caller, method, path.format(**world.ids), json=body)

    assert answer.status_code in (400, 403, 422), answer.text
    assert [[tuple(row) for row in await rows(world, table)] for table in tables] == before


# 4. Stored passwords, and passing the hash


async def test_passwords_are_kept_salted_and_dear(world: World) -> None:
    """Unsalted SHA-256 of passwords was stored: equal passwords looked alike and fell to lists."""
    async with world.database.read() as connection:
        stored = list((await connection.execute(text("SELECT password FROM users"))).scalars())

    assert len(stored) == len(set(stored)) > 5  # of one and the same password
    assert all(found.startswith("$argon2id$v=19$") for found in stored)
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in stored


async def test_what_is_stored_opens_nothing(world: World) -> None:
    """Pass-the-hash: what a leaked store held could be presented instead of the secret."""
    async with world.database.read() as connection:
        [password] = (
            await connection.execute(
                text("SELECT password FROM users WHERE email = 'owner@acme.example'")
            )
        ).scalars()
        digests = [
            (id, bytes(digest))
            for table in ("api_keys", "refresh_tokens")
            for id, digest in await connection.execute(text(f"SELECT id, digest FROM {table}"))
        ]
    body = {"email": "owner@acme.example", "password": password}
    assert (await world.ask("anonymous", "POST", LOGIN, json=body)).status_code == 401
    assert (await me(world, password)).status_code == 401
    assert len(digests) > 5
    for id, digest in digests:
        for tried in (digest.hex(), f"mob_{id}_{digest.hex()}", f"mob_{id}_{digest.hex()[:32]}"):
            assert (await me(world, tried)).status_code == 401
            body = {"refresh_token": tried}
            assert (await world.ask("anonymous", "POST", REFRESH, json=body)).status_code == 401


# 5. Code that a user brings

COMMANDS = {
    "command", "cmd", "args", "argv", "env", "exec", "script", "code", "stdio", "path", "file",
    "filename", "folder", "directory", "source", "module", "plugin", "trust_remote_code",
    "repo", "checkpoint", "engine", "pickle", "template", "chat_template", "callback", "proxy",
    "api_base", "base_url",
}  # fmt: skip
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
    assert taken & COMMANDS == set()


def asked_for(api: dict[str, Any]) -> Iterator[str]:
    """The names of every parameter and every field of a body, however deep."""
    for path in api["paths"].values():
        for operation in path.values():
            yield from (found["name"] for found in operation.get("parameters", ()))
            yield from fields(operation.get("requestBody", {}), api, set())


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


# 6. Secrets in what is written down


async def test_no_secret_is_written_anywhere(
    world: World, access_log: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Authorization headers of callers ended up in usage logs and traces of other gateways."""
    caplog.set_level(logging.DEBUG)
    async with secrets_used(world) as used:
        secrets, answers = used
    await world.trail.flush()
    written = {path: path.read_bytes() for path in files(world.services.settings.home)}
    written |= {path: path.read_bytes() for path in files(home_of(world))}

    assert len(secrets) == 12
    assert len(access_log) > 15
    ours = [record for record in caplog.records if record.name != "httpx"]  # the test's client
    assert len(ours) > 50
    logged = "".join(repr(record.__dict__) + record.getMessage() for record in ours)
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


# 7. Forged credentials behind the front door


@pytest.mark.parametrize("forged", ["", "admin", "mob_forged_key", "operator", "\ud800", "a.b.c"])
async def test_a_handle_checks_whose_call_it_is(
    world: World, model: WordsModel, forged: str
) -> None:
    """Whoever reached a gateway's inner port was believed: here a handle presents a credential."""
    calls = HandleCalls(world.services)
    body = b'{"model": "words", "messages": [{"role": "user", "content": "hi"}]}'
    with pytest.raises(Unauthenticated):
        await calls.call(forged, "chat", body, 5.0)
    with pytest.raises(Unauthenticated):
        async for _ in calls.stream(forged, "chat", body, 5.0):
            pass

    assert model.requests == []
    assert await calls.call(world.credentials["generate"], "chat", body, 5.0)


async def test_a_handle_has_no_more_rights_than_its_key(world: World, model: WordsModel) -> None:
    """The same class: the inner way is no way around scopes, or around a revocation."""
    body = b'{"model": "words", "messages": [{"role": "user", "content": "hi"}]}'
    calls = HandleCalls(world.services)
    with pytest.raises(Problem):
        await calls.call(world.credentials["billing"], "chat", body, 5.0)
    key = world.credentials["generate"]
    path = f"/api/v1/tenants/acme/keys/{key.split('_')[1]}"
    assert (await world.ask("owner", "DELETE", path)).status_code == 204
    with pytest.raises(Unauthenticated):
        await calls.call(key, "chat", body, 5.0)

    assert model.requests == []
