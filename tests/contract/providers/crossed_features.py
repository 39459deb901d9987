"""One tenant for which everything is configured at once, and the doors to a chat.

A provider's model `remote` behind the alias `fast`, with the local model `local` as its fallback; a
guardrail that redacts addresses; a prompt template; keys with policies, in a team; prices.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from cluster.runtime.problems import Problem
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.units import Unit
from deployments.ingress.handle_api import HandleApi
from deployments.limiter.status import LimitStatus
from tests.upstream_server.answers import UpstreamAnswer
from tests.upstream_server.application import TENANT, GatewayApplication, gateway_application
from tests.upstream_server.exchange import Exchange, answered, send_events
from tests.upstream_server.provider_models import model_settings
from tests.upstream_server.server import Respond, UpstreamServer

PATH = "/v1/chat/completions"
MAIL = "john@example.com"
LEAKY = UpstreamAnswer(f"write to {MAIL} now")
CLEAN = "write to [EMAIL] now"
PROVIDER = "acme-ai"
TEAM, TAG, END_USER = "crew", "beta", "ana"
PRICES = {"remote": {Unit.INPUT_TOKENS: 4000, Unit.OUTPUT_TOKENS: 8000, Unit.CACHED_TOKENS: 1000}}
ALIASES = {"fast": "remote"}
GUARDRAILS = {
    "policies": {
        "house": {"rules": [{"id": "pii", "type": "pii", "kinds": ["email"], "action": "redact"}]}
    }
}
PLAN = {"guardrails": ["house"]}
TEMPLATE = {
    "id": "greet",
    "messages": [{"role": "user", "content": "Greet {{ name }}."}],
    "variables": {"name": {}},
}
SCOPES = ["generate", "models:read", "tenant:read", "tenant:write", "usage:read"]


@dataclass(frozen=True)
class Seen:
    """What a caller sees of a chat: `headers` only by HTTP, `problem` where it was refused."""

    text: str = ""
    model: str = ""
    arguments: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    problem: str = ""


@dataclass(frozen=True)
class Crossed:
    """`gateway` with the features of this module; keys are made with `key`."""

    gateway: GatewayApplication
    upstream: UpstreamServer

    async def key(self, policy: Mapping[str, Any] | None = None, team: str = "") -> str:
        """A key that already works."""
        body: dict[str, Any] = {"name": "crossed", "scopes": SCOPES, "policy": policy}
        if team:
            body["team"] = team
        path = f"/api/v1/tenants/{TENANT}/keys"
        made = await self.gateway.operator.post(path, json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["key"])

    async def ask(self, key: str, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}", **rest.pop("headers", {})}
        return await self.gateway.client.request(method, path, headers=headers, **rest)

    async def usage(self, *group_by: str) -> dict[tuple[str, ...], dict[str, int]]:
        """What the tenant has used, by the values of the groups, once all is written."""
        await self.gateway.ledger()
        asked = {"tenant": TENANT, "group_by": list(group_by)}
        found = await self.gateway.operator.get("/api/v1/usage", params=asked)
        assert found.status_code == 200, found.text
        return {
            tuple(row["group"][each] for each in group_by): {
                **row["amounts"],
                "revenue": row["revenue"],
            }
            for row in found.json()["data"]
        }

    async def limit(self, key: str, name: str) -> LimitStatus:
        """How a limit of a key's policy stands."""
        policies = self.gateway.running.services.policies.get(key.split("_")[1])
        assert isinstance(policies, CallerPolicies)
        views = await self.gateway.tenancy.limit_status(TENANT, policies)
        [view] = [view for view in views if view.name == name]
        return view


@asynccontextmanager
async def crossed_features(
    upstream: UpstreamServer, home: Path, **plan: Any
) -> AsyncIterator[Crossed]:
    model = model_settings([upstream], provider=PROVIDER, resilience={"fallback": ["local"]})
    async with gateway_application(
        home,
        [{**model, "id": "remote"}],
        plan={**PLAN, **plan},
        local=["local"],
        aliases=ALIASES,
        guardrails=GUARDRAILS,
        prices=PRICES,
    ) as gateway:
        crossed = Crossed(gateway, upstream)
        team = {"id": TEAM, "name": "Crew"}
        maker = await crossed.key()
        made = [
            await gateway.operator.post("/api/v1/teams", json=team, params={"tenant": TENANT}),
            await crossed.ask(maker, "POST", "/api/v1/templates", json=TEMPLATE),
            await crossed.ask(
                maker, "POST", "/api/v1/templates/greet/activate", json={"version": 1}
            ),
        ]
        assert all(each.is_success for each in made), [each.text for each in made]
        yield crossed


def says(answer: UpstreamAnswer) -> Respond:
    """The upstream answers every request so."""

    async def respond(exchange: Exchange) -> None:
        if exchange.is_stream:
            await send_events(exchange, exchange.events(answer))
        else:
            await exchange.respond_json(exchange.whole(answer))
        answered(exchange, answer)

    return respond


async def by_http(crossed: Crossed, key: str, body: dict[str, Any]) -> Seen:
    response = await crossed.ask(key, "POST", PATH, json=body)
    if response.is_error:
        return _refused(response)
    answer = response.json()
    return _seen([answer], "message", dict(response.headers))


async def by_http_stream(crossed: Crossed, key: str, body: dict[str, Any]) -> Seen:
    response = await crossed.ask(key, "POST", PATH, json={**body, "stream": True})
    if response.is_error:
        return _refused(response)
    lines = [line.removeprefix("data: ") for line in response.text.splitlines()]
    events = [orjson.loads(line) for line in lines if line.startswith("{")]
    return _seen(events, "delta", dict(response.headers))


async def by_handle(crossed: Crossed, key: str, body: dict[str, Any]) -> Seen:
    handles = HandleApi(crossed.gateway.running.services)
    try:
        answer = await handles.call(key, "chat", orjson.dumps(body), 30.0)
    except Problem as problem:
        return Seen(status=problem.status, problem=problem.detail)
    return _seen([answer], "message", {})


async def by_handle_stream(crossed: Crossed, key: str, body: dict[str, Any]) -> Seen:
    handles = HandleApi(crossed.gateway.running.services)
    content = orjson.dumps({**body, "stream": True})
    try:
        events = [event async for _, event in handles.stream(key, "chat", content, 30.0)]
    except Problem as problem:
        return Seen(status=problem.status, problem=problem.detail)
    return _seen(events, "delta", {})


Door = Callable[[Crossed, str, dict[str, Any]], Awaitable[Seen]]
DOORS: dict[str, Door] = {
    "http": by_http,
    "http stream": by_http_stream,
    "handle": by_handle,
    "handle stream": by_handle_stream,
}


def _seen(events: list[dict[str, Any]], part: str, headers: Mapping[str, str]) -> Seen:
    parts = [choice[part] for event in events for choice in event["choices"]]
    calls = [call for each in parts for call in each.get("tool_calls") or ()]
    return Seen(
        "".join(each.get("content") or "" for each in parts),
        events[-1]["model"],
        "".join(call["function"].get("arguments") or "" for call in calls),
        headers,
    )


def _refused(response: httpx.Response) -> Seen:
    return Seen(status=response.status_code, problem=response.json()["error"]["message"])
