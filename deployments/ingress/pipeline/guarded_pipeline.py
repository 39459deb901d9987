"""The request paths of models with guardrails around them, outside of the cache.

    check the input -> cache, limits, model -> check the output

Flows in: what operations ask models for. Flows out: what the guardrails let through. Stored
responses are as the models wrote them; every reading of them is checked by the policies that hold
then, so no tier, no other request's computation and no fallback model is a way around.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from cluster.runtime.problems import GuardrailUnavailable, InvalidRequest
from deployments.cache.response_cache import ResponseCache
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.contracts.text_generator import TextGenerator
from deployments.guardrails.engine import Guardrails
from deployments.guardrails.figures import GuardrailFigures
from deployments.guardrails.spec import Direction
from deployments.guardrails.stream_window import RuleFinding
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.context import GUARDRAILS, AdmittedRequest
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.guarded_request import GuardedRequest, is_json_output
from deployments.ingress.pipeline.guarded_stream import GuardedStream
from deployments.ingress.pipeline.image_inputs import ImageInputs
from deployments.ingress.pipeline.metering import Meter, UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.pipeline.response_relay import ResponseRelay


@dataclass(frozen=True, slots=True)
class RequestGuards:
    """Makes the guard of a request, by the policies of its plan as it is now."""

    guardrails: Guardrails
    models: ModelRegistry
    admission: AdmissionControl
    figures: GuardrailFigures

    def guard(self, admitted: AdmittedRequest, *, raises: bool = False) -> GuardedRequest | None:
        """None where no policy holds. Raises GuardrailUnavailable for an unknown one."""
        active = self.guardrails.active(admitted.plan.guardrails)
        if active is None:
            return None
        return GuardedRequest(active, admitted, self.figures, self._record, self.models, raises)

    def _record(
        self, admitted: AdmittedRequest, finding: RuleFinding, direction: Direction
    ) -> None:
        """In the audit trail: who, which rule, and what it did; not the text."""
        self.admission.record(
            admitted.caller,
            admitted.request_id,
            f"guardrail.{direction}",
            f"guardrail:{finding.policy}/{finding.rule}",
            finding.action,
        )


class GuardedPipeline(ModelPipeline):
    """A ModelPipeline with guardrails around it."""

    is_guarded = True

    def __init__(
        self,
        guards: RequestGuards,
        models: ModelRegistry,
        recorder: UsageRecorder,
        cache: ResponseCache | None = None,
        images: ImageInputs | None = None,
    ) -> None:
        super().__init__(models, recorder, cache, images)
        self._guards = guards

    async def generate(
        self, request: GenerateRequest, admitted: AdmittedRequest, *, raises: bool = False
    ) -> Completion:
        """Raises GuardrailRefused, GuardrailUnavailable, and what the ModelPipeline raises. With
        `raises` also a refused output is raised.
        """
        guard = self._guards.guard(admitted, raises=raises)
        if guard is None:
            return await super().generate(request, admitted)
        is_json = is_json_output(request)
        timer = admitted.timer
        with timer.stage(GUARDRAILS):
            request = await guard.check_request(request)
        completion = await super().generate(request, admitted)
        if not guard.active.output:
            return completion
        with timer.stage(GUARDRAILS):
            choices = [
                await guard.check_choice(each, is_json=is_json) for each in completion.choices
            ]
        return replace(completion, choices=tuple(choices))

    async def stream(
        self,
        request: GenerateRequest,
        admitted: AdmittedRequest,
        relay: ResponseRelay | None = None,
        *,
        raises: bool = False,
    ) -> AsyncGenerator[Chunk, None]:
        """The same in chunks; `relay` gets none where the output is checked. Once every choice is
        refused or at its end, the model is stopped.
        """
        guard = self._guards.guard(admitted, raises=raises)
        if guard is not None:
            with admitted.timer.stage(GUARDRAILS):
                request = await guard.check_request(request)
        guard = _output_guard(guard)
        unchecked = super().stream(request, admitted, relay if guard is None else None)
        async with aclosing(unchecked) as chunks:
            if guard is None:
                async for chunk in chunks:
                    yield chunk
                return
            guarded = GuardedStream(guard, request.n, is_json=is_json_output(request))
            try:
                async for chunk in chunks:
                    leaving = await guarded.add(chunk)
                    if leaving is not None:
                        yield leaving
                    if guarded.is_over:
                        return
            except GuardrailUnavailable as problem:
                guard.note_unchecked(problem, "output")
                raise

    def bind(self, admitted: AdmittedRequest) -> TextGenerator:
        return _BoundGuardedPipeline(self, admitted)


def _output_guard(guard: GuardedRequest | None) -> GuardedRequest | None:
    """The guard, if it has to see the output."""
    return guard if guard is not None and guard.active.output else None


@dataclass(frozen=True, slots=True)
class _BoundGuardedPipeline:
    """A TextGenerator, whose callers know texts only: a refused output is a problem to them."""

    pipeline: GuardedPipeline
    admitted: AdmittedRequest

    async def generate(self, request: GenerateRequest) -> Completion:
        return await self.pipeline.generate(request, self.admitted, raises=True)

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self.pipeline.stream(request, self.admitted, raises=True)


class GuardedEmbeddingPipeline(EmbeddingPipeline):
    """An EmbeddingPipeline whose texts are checked as a user's input; vectors and scores are no
    text.
    """

    is_guarded = True

    def __init__(self, guards: RequestGuards, models: ModelRegistry, meter: Meter) -> None:
        super().__init__(models, meter)
        self._guards = guards

    async def embed(self, request: EmbedRequest, admitted: AdmittedRequest) -> Embeddings:
        guard = self._guards.guard(admitted)
        if guard is not None and guard.active.has_input:
            model = request.model
            if request.token_ids and model not in self._models.configured:
                model = self._resolved(request, admitted)
            for ids in request.token_ids:
                text = await guard.text_of(model, ids)
                if await guard.check_input("user", text) != text:
                    raise InvalidRequest(
                        "'input' has what a guardrail redacts; send it as text, not as tokens.",
                        param="input",
                    )
            with admitted.timer.stage(GUARDRAILS):
                texts = await _checked(guard, request.texts)
            request = replace(request, texts=texts)
        return await super().embed(request, admitted)

    async def classify(
        self, request: ClassifyRequest, admitted: AdmittedRequest, known: tuple[str, ...]
    ) -> Classification:
        texts = await self.checked(request.texts, admitted)
        query = request.query
        if query is not None:
            [query] = await self.checked((query,), admitted)
        return await super().classify(replace(request, texts=texts, query=query), admitted, known)

    async def checked(self, texts: tuple[str, ...], admitted: AdmittedRequest) -> tuple[str, ...]:
        guard = self._guards.guard(admitted)
        if guard is None:
            return texts
        with admitted.timer.stage(GUARDRAILS):
            return await _checked(guard, texts)


async def _checked(guard: GuardedRequest, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([await guard.check_input("user", text) for text in texts])
