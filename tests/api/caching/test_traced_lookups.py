"""The spans of a lookup in the cache, below the stage `cache.lookup` of its request."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cluster.runtime.clock import SystemClock
from cluster.tracing.span import TraceSpan
from cluster.tracing.tracer import Tracer
from deployments.cache.config import CacheConfig
from deployments.cache.tiers.local_shared_tier import InMemorySharedTier
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.http.app import create_app
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.tracing.request_tracing import RequestTracing
from tests.api.caching.answers import CHAT, URL, News
from tests.api.fakes import Records, WordsModel
from tests.api.web import MakeServices, client_of


@pytest.fixture
def tracer() -> Tracer:
    return Tracer(ratio=1.0)


@pytest.fixture
async def web(
    make_services: MakeServices, news: News, records: Records, tmp_path: Path, tracer: Tracer
) -> AsyncIterator[httpx.AsyncClient]:
    """With a shared tier, and no memory."""
    services, clock = make_services(), SystemClock()
    shared = InMemorySharedTier(1 << 20, clock)
    secrets = {"acme": b"a" * 32}
    config = CacheConfig(memory_bytes=0)
    caches = CacheStack(config, services.models, secrets.__getitem__, news, shared, tmp_path, clock)
    await caches.fingerprints.refresh()
    recorder = UsageRecorder(records, TokenEstimator({}))
    app = create_app(
        replace(
            services,
            model_pipeline=ModelPipeline(services.models, recorder, caches.responses),
            tracing=RequestTracing(tracer, clock),
        )
    )
    async with client_of(app) as client:
        yield client
    await caches.close()


def spans_of(tracer: Tracer, answer: httpx.Response) -> dict[str, TraceSpan]:
    [trace] = tracer.ring.find(answer.headers["x-request-id"])
    return {span.name: span for span in trace.spans}


async def test_a_lookup_in_the_shared_tier_is_part_of_the_lookup(
    web: httpx.AsyncClient, tracer: Tracer
) -> None:
    missed = await web.post(URL, json=CHAT)
    found = await web.post(URL, json=CHAT)

    assert "detail=l2" in found.headers["cache-status"]
    for answer in (missed, found):
        spans = spans_of(tracer, answer)
        lookup, shared = spans["cache.lookup"], spans["cache.shared"]
        assert shared.parent_id == lookup.span_id
        assert lookup.start <= shared.start <= shared.end <= lookup.end
    assert "chat words" not in spans_of(tracer, found)


async def test_who_waits_for_the_computation_of_another_request_shows_it(
    web: httpx.AsyncClient, tracer: Tracer, model: WordsModel
) -> None:
    answers = await asyncio.gather(*(web.post(URL, json=CHAT) for _ in range(2)))

    joined = [answer for answer in answers if "collapsed" in answer.headers["cache-status"]]
    assert (len(joined), len(model.requests)) == (1, 1)
    names = [set(spans_of(tracer, answer)) for answer in (*joined, *answers)]
    assert "cache.join" in names[0]
    assert sum("cache.join" in each for each in names[1:]) == 1
