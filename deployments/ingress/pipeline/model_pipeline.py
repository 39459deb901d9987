"""The request path of one text model call: allow -> look up -> reserve -> generate -> settle.

Flows in: a GenerateRequest of an admitted request, by HTTP or by handle. Flows out: what the model
answers.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import cast

from cluster.runtime.pickle_compat import copied
from cluster.runtime.problems import UnknownModel, unknown_policy
from cluster.runtime.quick_init import quick_init
from cluster.tenants.plan import Feature
from deployments.cache.lookup import CacheContext
from deployments.cache.response_cache import ResponseCache
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.contracts.text_generator import (
    ModelCall,
    ServedModel,
    SettlingModel,
    TextGenerator,
)
from deployments.contracts.text_relay import TextRelay
from deployments.ingress.context import RESERVE, AdmittedRequest
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import GenerationFacts
from deployments.ingress.pipeline.fallback import FallbackChain
from deployments.ingress.pipeline.image_inputs import ImageInputs
from deployments.ingress.pipeline.metering import MeteredCall, UsageRecorder
from deployments.ingress.pipeline.response_relay import ResponseRelay


class ModelPipeline:
    """Takes an admitted request through every stage between it and a text model."""

    is_guarded = False  # whether it applies the guardrails of plans (guarded_pipeline.py)

    def __init__(
        self,
        models: ModelRegistry,
        recorder: UsageRecorder,
        cache: ResponseCache | None = None,
        images: ImageInputs | None = None,
    ) -> None:
        """Without a cache, models answer every request. `images` reads pictures (None: nobody
        does)."""
        self.recorder = recorder
        self._models = models
        self._cache = cache
        self._images = images or ImageInputs(models)

    async def generate(self, request: GenerateRequest, admitted: AdmittedRequest) -> Completion:
        """Raises UnknownModel, what limits and the cache raise, and what the model raises."""
        renamed = request.model not in self._models.configured
        if renamed:
            request = self._resolved(request, admitted)
        generator, context = self._start(request, admitted)
        if request.image_sources:
            request = await self._images.read(request, admitted)
        if self._cache is None:
            completion = await generator.generate(request)
        else:
            completion = await self._cache.generate(request, generator, context)
            outcome = context.last
            if outcome is not None and (outcome.forwarded is None or outcome.collapsed):
                self._record_cache_hit(request, admitted)
        if completion.model and completion.model != request.model:
            _note_fallback(admitted, completion.model)
        elif renamed:
            completion = replace(completion, model=request.model)
        return completion

    async def stream(
        self,
        request: GenerateRequest,
        admitted: AdmittedRequest,
        relay: ResponseRelay | None = None,
    ) -> AsyncGenerator[Chunk, None]:
        """The same in chunks. `relay` gets pieces of text instead, after the first chunk, unless
        the cache or others need them."""
        renamed = request.model not in self._models.configured
        if renamed:
            request = self._resolved(request, admitted)
        generator, context = self._start(request, admitted, relay)
        if request.image_sources:
            request = await self._images.read(request, admitted)
        if self._cache is None:
            stream = generator.stream(request)
        else:
            stream = self._cache.stream(request, generator, context)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if chunk.model or renamed:
                    chunk = _named(chunk, request, admitted, renamed=renamed)
                renamed = False
                if relay is not None:
                    relay.is_allowed = _bypasses_cache(context)
                yield chunk
        outcome = context.last
        if outcome is not None and (outcome.forwarded is None or outcome.collapsed):
            self._record_cache_hit(request, admitted)

    def bind(self, admitted: AdmittedRequest) -> TextGenerator:
        """This pipeline for one admitted request, for callers that know TextGenerators only."""
        return _BoundPipeline(self, admitted)

    def load(self) -> dict[str, int]:
        """The counters, for `/health`."""
        return asdict(self.recorder.counters)

    def _record_cache_hit(self, request: GenerateRequest, admitted: AdmittedRequest) -> None:
        self.recorder.record_cache_hit(
            request.caller, admitted.plan, request.model, admitted.tags, admitted.collected
        )
        if admitted.policies is not None:
            admitted.permit.charge_cache_hit(request.model)

    def _resolved(self, request: GenerateRequest, admitted: AdmittedRequest) -> GenerateRequest:
        """The request to the model that its name stands for. Raises UnknownModel."""
        models, facts = self._models, GenerationFacts(admitted, request.caller, request)
        model = models.names.resolve(request.model, facts, admitted, models.text_models)
        return replace(request, model=model)

    def _start(
        self,
        request: GenerateRequest,
        admitted: AdmittedRequest,
        relay: ResponseRelay | None = None,
    ) -> tuple[TextGenerator, CacheContext]:
        """The call of the requested model, with its fallbacks behind it, and what the cache needs.

        Raises UnknownModel, and GuardrailUnavailable where the plan has guardrails that nothing
        applies.
        """
        models, plan, name = self._models, admitted.plan, request.model
        if plan.guardrails and not self.is_guarded:
            raise unknown_policy(plan.guardrails[0])
        model = models.text_models.get(name)
        is_allowed = (
            plan.models is None and plan.allowed_features is None and admitted.policies is None
        )
        if model is None or not (is_allowed or admitted.allows_model(name)):
            raise UnknownModel(name, tuple(filter(admitted.allows_model, models.text_models)))
        admitted.models.add(name)
        context = CacheContext(
            admitted.outcomes,
            admitted.directives,
            sampled=Feature.CACHE_SAMPLED in plan.features,
            semantic=Feature.SEMANTIC_CACHE in plan.features,
            waiting=admitted.timer,
        )
        call = MeteredGenerator(self.recorder, model, admitted, relay)
        others = models.fallbacks.get(name, ())
        fallbacks = [*filter(admitted.allows_model, others)]
        if request.image_sources:
            fallbacks = [*filter(self._images.are_taken_by, fallbacks)]
        if admitted.policies is not None and len(fallbacks) < len(others):
            # Another key's call of this model may be answered by one that this key may not use.
            context.directives = replace(admitted.directives, no_store=True)
        if not fallbacks:
            return call, context
        calls: dict[str, TextGenerator] = {name: call}
        for other in fallbacks:
            model = models.text_models[other]
            calls[other] = MeteredGenerator(self.recorder, model, admitted, relay)
        chain = FallbackChain(calls, lambda: models.record_fallback(name), models.clock)
        return chain, context


@dataclass(frozen=True, slots=True)
class _BoundPipeline:
    """A TextGenerator."""

    pipeline: ModelPipeline
    admitted: AdmittedRequest

    async def generate(self, request: GenerateRequest) -> Completion:
        return await self.pipeline.generate(request, self.admitted)

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self.pipeline.stream(request, self.admitted)


@quick_init
@dataclass(frozen=True, slots=True)
class MeteredGenerator:
    """A TextGenerator: reserve -> generate -> settle and record, with one model.

    The cache may let it run on after its request has left, for others who wait for the response.
    """

    recorder: UsageRecorder
    model: ServedModel
    admitted: AdmittedRequest
    relay: ResponseRelay | None = None

    async def generate(self, request: GenerateRequest) -> Completion:
        with await self._reserve(request) as metered:
            completion = await metered.call.generate()
            metered.timing = completion.timing
            if metered.request.trace:
                metered.finish_reasons = tuple([each.finish_reason for each in completion.choices])
            metered.complete(completion.usage)
        return completion

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        with await self._reserve(request) as metered:
            metered.relay = relay = self.relay
            call = metered.call
            stream = call.stream() if relay is None else call.stream(relay)
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    metered.add(chunk)
                    yield chunk

    async def _reserve(self, request: GenerateRequest) -> MeteredCall:
        admitted, model = self.admitted, self.model
        amounts = self.recorder.estimator.estimate(request, admitted.plan)
        timer, trace = admitted.timer, admitted.timer.trace
        since = 0.0 if trace is None else timer.clock.monotonic()
        reservation = await admitted.permit.reserve(request.model, amounts, lasting=True)
        if trace is not None:
            timer.add_stage(RESERVE, since)
            span = trace.child().traceparent
            request = copied(request, trace=span, trace_state=trace.state)
        call: ModelCall
        if _is_settling(type(model)):
            call = cast(SettlingModel, model).begin(request)
        else:
            call = _UnsettledCall(model, request)
        return MeteredCall(
            self.recorder,
            request,
            admitted.plan,
            reservation,
            call,
            timer,
            tags=admitted.tags,
            collected=admitted.collected,
        )


@dataclass(frozen=True, slots=True)
class _UnsettledCall:
    """A ModelCall of a model that cannot say what a call that was given up has used."""

    model: ServedModel
    request: GenerateRequest

    async def generate(self) -> Completion:
        return await self.model.generate(self.request)

    def stream(self, relay: TextRelay | None = None) -> AsyncGenerator[Chunk, None]:
        return self.model.stream(self.request)

    def settlement(self) -> None:
        return None


@cache
def _is_settling(kind: type) -> bool:
    """Once for each class: a Protocol is looked through member by member."""
    return issubclass(kind, SettlingModel)


def _named(
    chunk: Chunk, request: GenerateRequest, admitted: AdmittedRequest, *, renamed: bool
) -> Chunk:
    """The first chunk, with the model that answers."""
    if chunk.model and chunk.model != request.model:
        _note_fallback(admitted, chunk.model)
        return chunk
    return replace(chunk, model=request.model) if renamed else chunk


def _bypasses_cache(context: CacheContext) -> bool:
    """Whether the chunks are this request's alone, and not stored."""
    return context.last is None or context.last.forwarded == "bypass"


def _note_fallback(admitted: AdmittedRequest, model: str) -> None:
    """Another model has answered in place of the requested one."""
    admitted.models.add(model)
    admitted.fallbacks.append(model)
