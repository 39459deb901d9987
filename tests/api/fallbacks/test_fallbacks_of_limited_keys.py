"""A key is answered by no model that it may not use: not by a fallback, nor by joining another
key's call that falls back."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from cluster.tenants.caller import Caller, Scope
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from tests.api.caching.answers import turns
from tests.api.fakes import WordsModel
from tests.api.fallbacks.conftest import AWAY
from tests.api.web import CALLERS

SECOND = "mob_second_secret"  # of the same tenant
URL = "/v1/chat/completions"
KEPT = {
    "model": "words",
    "messages": [{"role": "user", "content": "Say three words"}],
    "temperature": 0,
}


@pytest.fixture(autouse=True)
def _second_key(monkeypatch: pytest.MonkeyPatch, policies: dict[str, CallerPolicies]) -> None:
    """A key that may use `words` only."""
    caller = Caller("acme", "second", frozenset({Scope.GENERATE}))
    monkeypatch.setitem(CALLERS, SECOND, caller)
    own = SubjectPolicy("key:second", LimitPolicy(models=("words",)))
    policies["second"] = CallerPolicies((own,))


async def ask(web: httpx.AsyncClient, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {SECOND}"}
    return await web.post(URL, json={**KEPT, **more}, headers=headers)


async def test_fallbacks_that_a_key_may_not_use_do_not_answer_it(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    model.problem = AWAY

    assert (await web.post(URL, json=KEPT)).status_code == 200
    assert (await ask(web)).status_code == 503


@pytest.mark.parametrize("stream", [False, True])
async def test_it_joins_no_call_that_may_be_answered_by_one(
    web: httpx.AsyncClient, model: WordsModel, others: Mapping[str, WordsModel], stream: bool
) -> None:
    model.problem = AWAY
    others["spare"].hold = asyncio.Event()
    first = asyncio.create_task(web.post(URL, json={**KEPT, "stream": stream}))
    await others["spare"].opened.wait()
    second = await ask(web, stream=stream)
    others["spare"].hold.set()

    assert (await first).status_code == 200
    assert second.status_code == 503
    await turns(lambda: others["spare"].open == 0)
