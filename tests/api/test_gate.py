"""The tenant's gate: every call is admitted, metered and written down, whatever way it ends."""

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.runtime.problems import QuotaExceeded, RateLimited
from cluster.tenants.caller import Priority
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.contracts.limits import Limiter
from tests.api.fakes import Records, WordsModel
from tests.api.web import ADMIN_KEY
from tests.api.wire import Wire

CHAT = {"model": "words", "messages": [{"role": "user", "content": "say it"}]}
STREAM = {**CHAT, "stream": True}
HEADERS = (("Authorization", f"Bearer {ADMIN_KEY}"), ("Content-Type", "application/json"))


class Ledger:
    """A limiter that keeps account of what it let in, and refuses when told to."""

    def __init__(self) -> None:
        self.admitted: list[tuple[str, RequestClass]] = []
        self.reserved: list[UsageAmounts] = []
        self.settled: list[UsageAmounts] = []
        self.calls = 0
        self.open = 0
        self.refuse_request: Exception | None = None
        self.refuse_tokens: Exception | None = None

    async def admit(
        self, tenant: str, plan: Plan, request_class: RequestClass, *_: object
    ) -> "Ledger":
        if self.refuse_request:
            raise self.refuse_request
        self.admitted.append((tenant, request_class))
        self.open += 1
        return self

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> "Ledger":
        if self.refuse_tokens:
            raise self.refuse_tokens
        self.reserved.append(amounts)
        return self

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        self.settled.append(actual)
        self.calls += requests

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"ratelimit", b'"generate-requests";r=9;t=6')]

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
def limiter() -> Limiter:
    return Ledger()


@pytest.fixture
def ledger(limiter: Ledger) -> Ledger:
    return limiter


async def test_an_answer_is_admitted_settled_metered_and_written_down(
    client: httpx.AsyncClient, ledger: Ledger, records: Records
) -> None:
    answer = await client.post("/v1/chat/completions", json=CHAT)

    used = UsageAmounts(input_tokens=2, output_tokens=3)
    assert answer.headers["RateLimit"] == '"generate-requests";r=9;t=6'
    assert ledger.admitted == [("acme", RequestClass.GENERATE)]
    assert ledger.settled == [used]
    assert ledger.calls == 1
    assert ledger.open == 0
    assert records.usage == [("acme", "words", used)]
    line = records.lines[-1]
    assert (line.tenant, line.actor, line.action) == ("acme", "key:admin", "chat")
    assert (line.resource, line.outcome) == ("model:words", "ok")
    assert line.request_id == answer.headers["X-Request-ID"]
    assert "say it" not in str(line)


async def test_a_stream_holds_its_slot_until_it_ends(
    app: ASGIApp, model: WordsModel, ledger: Ledger, records: Records
) -> None:
    model.hold = asyncio.Event()
    wire = Wire(app, "/v1/chat/completions", headers=HEADERS).start()
    wire.body(httpx.Request("POST", "http://x", json=STREAM).content)
    await model.opened.wait()
    assert ledger.open == 1

    model.hold.set()
    await wire.ended()

    assert ledger.open == 0
    assert records.usage == [("acme", "words", UsageAmounts(input_tokens=2, output_tokens=3))]


async def test_a_stream_that_is_given_up_costs_the_tokens_that_came(
    app: ASGIApp, model: WordsModel, ledger: Ledger, records: Records
) -> None:
    model.hold = asyncio.Event()
    wire = Wire(app, "/v1/chat/completions", headers=HEADERS).start()
    wire.body(httpx.Request("POST", "http://x", json=STREAM).content)
    await model.opened.wait()
    model.hold.set()
    await wire.has_body()
    model.hold.clear()
    wire.leave()
    await wire.ended()

    assert ledger.open == 0
    assert len(ledger.settled) == 1
    assert ledger.settled[0].input_tokens == 2
    assert records.lines[-1].outcome in ("ok", "client-gone")


async def test_a_call_that_fails_before_its_first_token_costs_nothing(
    client: httpx.AsyncClient, model: WordsModel, ledger: Ledger, records: Records
) -> None:
    model.fail_after = 0
    answer = await client.post("/v1/chat/completions", json=CHAT)

    assert answer.status_code == 502
    assert ledger.settled == [UsageAmounts()]
    assert ledger.calls == 0
    assert records.usage == []
    assert records.lines[-1].outcome == "model-failed"


async def test_each_variant_of_a_caption_is_reserved_and_the_request_counts_once(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await client.post("/api/v1/captions", json={"topic": "tea", "variants": 3})

    assert len(ledger.admitted) == 1
    assert len(ledger.reserved) == len(ledger.settled) == 3


async def test_a_batch_counts_against_the_batch_limits(
    client: httpx.AsyncClient, ledger: Ledger, model: WordsModel
) -> None:
    await client.post("/api/v1/captions/batch", json={"items": [{"topic": "tea"}]})

    assert ledger.admitted == [("acme", RequestClass.BATCH)]
    assert {request.priority for request in model.requests} == {Priority.BATCH}


@pytest.mark.parametrize(
    ("problem", "slug"),
    [
        pytest.param(RateLimited("slow down", 3.2, "generate-requests"), "rate-limited", id="rate"),
        pytest.param(QuotaExceeded("spent", 60, "tokens-day"), "quota-exceeded", id="quota"),
    ],
)
@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
async def test_a_refusal_names_the_limit_and_when_to_come_back(
    client: httpx.AsyncClient,
    ledger: Ledger,
    records: Records,
    problem: RateLimited,
    slug: str,
    body: dict[str, object],
) -> None:
    ledger.refuse_request = problem
    answer = await client.post("/v1/chat/completions", json=body)

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == slug.replace("-", "_")
    assert int(answer.headers["Retry-After"]) >= 3
    assert answer.headers["RateLimit"].startswith(f'"{problem.extensions["limit"]}";r=0;t=')
    assert records.lines[-1].outcome == slug


async def test_a_refused_reservation_frees_the_slot(
    client: httpx.AsyncClient, ledger: Ledger, model: WordsModel
) -> None:
    ledger.refuse_tokens = RateLimited("slow down", 1, "generate-tokens")
    answer = await client.post("/v1/chat/completions", json=STREAM)

    assert answer.status_code == 429
    assert ledger.open == 0
    assert model.requests == []


class TestPlan:
    """What the plan itself forbids."""

    @pytest.fixture
    def plan(self) -> Plan:
        return Plan.model_validate({"id": "small", "models": ["tiny*"], "priority": "standard"})

    async def test_a_model_outside_the_plan_is_as_unknown_as_one_that_is_not_there(
        self, client: httpx.AsyncClient
    ) -> None:
        inside = await client.post("/v1/chat/completions", json=CHAT)
        nowhere = await client.post("/v1/chat/completions", json={**CHAT, "model": "no"})

        assert inside.status_code == nowhere.status_code == 404
        detail = inside.json()["error"]["message"]
        assert detail.replace("words", "no") == nowhere.json()["error"]["message"]

    @pytest.mark.parametrize("priority", ["interactive", "urgent"])
    async def test_a_priority_above_the_plan_s_is_refused_by_name(
        self, client: httpx.AsyncClient, priority: str
    ) -> None:
        headers = {"Mobula-Priority": priority}
        answer = await client.post("/v1/chat/completions", json=CHAT, headers=headers)

        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "Mobula-Priority"


async def test_a_body_that_cannot_be_read_leaves_a_line_and_costs_nothing(
    client: httpx.AsyncClient, ledger: Ledger, records: Records
) -> None:
    await client.post("/v1/chat/completions", json={"model": 5})

    assert ledger.admitted == []
    assert (records.lines[-1].action, records.lines[-1].outcome) == ("chat", "malformed-payload")


async def test_listing_models_passes_the_gate(
    client: httpx.AsyncClient, ledger: Ledger, records: Records
) -> None:
    answer = await client.get("/v1/models")

    assert answer.headers["RateLimit"]
    assert ledger.admitted == [("acme", RequestClass.READ)]
    assert records.lines[-1].action == "models.list"


async def test_a_line_names_the_model_that_a_call_came_to(
    client: httpx.AsyncClient, records: Records
) -> None:
    await client.post("/api/v1/captions", json={"topic": "tea"})

    assert records.lines[-1].resource == "model:words"


async def test_a_refusal_carries_one_rate_limit_field(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    ledger.refuse_tokens = RateLimited("slow down", 7, "generate-tokens")
    answer = await client.post("/v1/chat/completions", json=CHAT)

    assert answer.headers.get_list("RateLimit") == ['"generate-tokens";r=0;t=7']
