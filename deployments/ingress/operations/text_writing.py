"""`summarize_text`, `rewrite_text` and `translate_text`: a text made of another.

By extraction, word for word, or by a text model. What a model writes is checked: an answer that
names numbers, names or addresses which the text does not have is not given; the extractive one is,
where there is one, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from cluster.runtime.problems import NotInstalled
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.content.text_prompts import (
    language_name,
    rewriting_messages,
    summary_messages,
    translation_messages,
)
from deployments.content.validation import check_style, check_tone
from deployments.contracts.generation import GenerateRequest, Message, Sampling, TokenUsage
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.operations.content_models import ContentModels
from deployments.ingress.pipeline.analysis_cache import Result
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.schemas.text import (
    MAX_SENTENCES,
    RewriteTextRequest,
    SummarizeTextRequest,
    TranslateTextRequest,
)
from deployments.text.summary import GROUNDING, SUMMARY

Body = TypeVar("Body", SummarizeTextRequest, RewriteTextRequest, TranslateTextRequest)

SHIPPED = "nano"  # the source of the model that writes English only (deployments/model/spec.py)
NO_TRANSLATOR = "Model '{model}' writes English only."
INSTALL_TRANSLATOR = "Configure a model that translates in `models`, and name it in `model`."
_CHARACTERS_A_TOKEN = 2  # of a written text, at least
_MIN_TOKENS, _MAX_TOKENS = 64, 8_192


@dataclass(frozen=True, slots=True)
class WriterPorts:
    """What the three operations write with."""

    analysis: AnalysisPipeline
    pipeline: ModelPipeline
    writers: ContentModels
    models: ModelRegistry


@dataclass(frozen=True, slots=True)
class _Written:
    """A text and how it came about; `ungrounded` are parts of a model's answer that was not
    given."""

    text: str | None
    by: str
    method: Literal["extractive", "model"]
    spans: Sequence[Mapping[str, Any]] = ()
    reason: str = ""
    ungrounded: Sequence[Mapping[str, Any]] = ()
    usage: TokenUsage = TokenUsage()


class _Writing(Generic[Body]):
    """One event, or one answer."""

    schema: type[Body]
    request_class = RequestClass.ANALYSE
    scope = Scope.GENERATE
    can_stream = True
    kind: str
    checked_kinds: Sequence[str] | None = None  # of the parts of an answer; None: all

    def __init__(self, ports: WriterPorts) -> None:
        self._ports = ports

    async def answer(self, request: AdmittedRequest, body: Body) -> dict[str, Any]:
        written = await self._write(request, body)
        fallback = None
        if written.reason:
            fallback = {"reason": written.reason, "ungrounded": list(written.ungrounded)}
        return {
            "id": f"{self.kind}-{request.request_id}",
            "object": f"text.{self.kind}",
            "created": request.created,
            "text": written.text,
            "method": written.method,
            "by": written.by,
            "fallback": fallback,
            "spans": list(written.spans),
            "usage": usage_body(written.usage),
            "characters": len(body.text),
        }

    async def events(self, request: AdmittedRequest, body: Body) -> Events:
        """started, completed."""
        yield "started", {"operation": self.kind, "characters": len(body.text)}
        yield "completed", await self.answer(request, body)

    async def _write(self, request: AdmittedRequest, body: Body) -> _Written:
        raise NotImplementedError

    async def _extract(
        self, request: AdmittedRequest, body: Body, options: Mapping[str, Any]
    ) -> _Written:
        result = await self._analyze(request, body, body.text, SUMMARY, options)
        return _Written(result["value"], result["by"], "extractive", result["spans"])

    async def _or_extract(
        self, written: _Written, request: AdmittedRequest, body: Body, options: Mapping[str, Any]
    ) -> _Written:
        """What a model wrote, or in place of what cannot be given, the extractive answer."""
        if written.text is not None:
            return written
        extracted = await self._extract(request, body, options)
        ungrounded, usage = written.ungrounded, written.usage
        return replace(extracted, reason=written.reason, ungrounded=ungrounded, usage=usage)

    async def _generate(
        self, request: AdmittedRequest, body: Body, messages: tuple[Message, ...], model: str
    ) -> _Written:
        """What the model writes, if the text has all that it names; else no text, and why."""
        sampling = Sampling(max_tokens=_max_tokens(body.text), temperature=0.0)
        completion = await self._ports.pipeline.bind(request).generate(
            GenerateRequest(
                request_id=request.request_id,
                caller=request.caller,
                model=model,
                sampling=sampling,
                messages=messages,
                timeout_s=request.timeout_s("ingress"),
                priority=request.priority,
            )
        )
        by, usage = completion.model or model, completion.usage
        text = completion.choices[0].text.strip() if completion.choices else ""
        if not text:
            reason = f"Model '{by}' wrote nothing."
            return _Written(None, by, "model", reason=reason, usage=usage)
        options = {"source": body.text, "kinds": self.checked_kinds}
        check = await self._analyze(request, body, text, GROUNDING, options)
        if check["value"]:
            return _Written(text, by, "model", usage=usage)
        named = ", ".join(f"'{part['text']}'" for part in check["spans"][:5])
        reason = f"Model '{by}' named what the text does not have: {named}."
        return _Written(None, by, "model", (), reason, check["spans"], usage)

    async def _analyze(
        self,
        request: AdmittedRequest,
        body: Body,
        text: str,
        operation: str,
        options: Mapping[str, Any],
    ) -> Result:
        query = AnalysisQuery((text,), (operation,), {operation: options}, body.language or "")
        results = await self._ports.analysis.analyze(query, request)
        return results[operation][0]

    def _model(self, request: AdmittedRequest, body: Body) -> str:
        return self._ports.writers.resolve_name(request, body.model, (body.text,))


class SummarizeText(_Writing[SummarizeTextRequest]):
    """Summarizes a text: by its most central sentences, word for word, or by a text model whose
    answer is checked against the text. With `stream` it answers with the events started and
    completed."""

    schema, kind = SummarizeTextRequest, "summary"

    async def _write(self, request: AdmittedRequest, body: SummarizeTextRequest) -> _Written:
        options = {"sentences": body.sentences, "max_characters": body.max_characters}
        if body.method == "extractive":
            return await self._extract(request, body, options)
        messages = summary_messages(body.text, body.sentences, body.max_characters)
        written = await self._generate(request, body, messages, self._model(request, body))
        return await self._or_extract(written, request, body, options)


class RewriteText(_Writing[RewriteTextRequest]):
    """Rewrites a text by a text model whose answer is checked against the text, or shortens it to
    its most central sentences. With `stream` it answers with the events started and completed."""

    schema, kind = RewriteTextRequest, "rewriting"

    async def _write(self, request: AdmittedRequest, body: RewriteTextRequest) -> _Written:
        check_style(body.style)
        check_tone(body.tone)
        options = {"sentences": MAX_SENTENCES, "max_characters": body.max_characters}
        if body.method == "extractive":
            return await self._extract(request, body, options)
        messages = rewriting_messages(
            body.text,
            instruction=body.instruction,
            style_name=body.style,
            tone_name=body.tone,
            max_characters=body.max_characters,
        )
        written = await self._generate(request, body, messages, self._model(request, body))
        return await self._or_extract(written, request, body, options)


class TranslateText(_Writing[TranslateTextRequest]):
    """Translates a text by a text model; numbers, addresses and handles of the translation are
    checked. The model that ships with Mobula does not translate: 501. With `stream` it answers with
    the events started and completed."""

    schema, kind = TranslateTextRequest, "translation"
    checked_kinds = ("url", "handle", "number")  # names have other forms in other languages

    async def _write(self, request: AdmittedRequest, body: TranslateTextRequest) -> _Written:
        model = self._model(request, body)
        models = self._ports.models
        if not models.is_external(model) and (await models.card(model)).source == SHIPPED:
            raise NotInstalled(NO_TRANSLATOR.format(model=model), INSTALL_TRANSLATOR)
        source = language_name(body.language) if body.language else ""
        messages = translation_messages(body.text, language_name(body.to), source)
        return await self._generate(request, body, messages, model)


def _max_tokens(text: str) -> int:
    return min(_MAX_TOKENS, max(_MIN_TOKENS, len(text) // _CHARACTERS_A_TOKEN))
