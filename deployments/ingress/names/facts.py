"""What is known of requests when their model is chosen.

In: an admitted request and what it sends to a model. Out: RequestFacts, each of which is computed
when a rule looks at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from cluster.tenants.caller import Caller
from deployments.contracts.generation import GenerateRequest, uses_tools
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.names.spec import Modality

_BYTES_PER_TOKEN = 3  # as in the estimates of limits (pipeline/estimates.py)
_TEXT: frozenset[Modality] = frozenset(("text",))


@dataclass(frozen=True, slots=True)
class _AdmittedFacts:
    """What is the same for every kind of request. `caller` is whom the model is called for."""

    admitted: AdmittedRequest
    caller: Caller

    @property
    def request_id(self) -> str:
        return self.admitted.request_id

    @property
    def affinity(self) -> str:
        return self.caller.end_user

    @property
    def tenant(self) -> str:
        return self.caller.tenant

    @property
    def plan(self) -> str:
        return self.admitted.plan.id

    @property
    def now(self) -> float:
        return self.admitted.deadline.clock.wall()


@dataclass(frozen=True, slots=True)
class TextFacts(_AdmittedFacts):
    """Of a request of plain texts, or of `token_ids`, so many, in their place. `part` names one of
    several that came as one request; it is chosen for by itself."""

    texts: Sequence[str] = ()
    token_ids: int = 0
    part: str = ""
    modalities: frozenset[Modality] = _TEXT

    @property
    def request_id(self) -> str:
        return self.part or self.admitted.request_id

    @property
    def prompt_bytes(self) -> int:
        return self.token_ids * _BYTES_PER_TOKEN + sum(len(text.encode()) for text in self.texts)

    @property
    def prompt_tokens(self) -> int:
        return self.prompt_bytes // _BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class GenerationFacts(_AdmittedFacts):
    """Of a call of a text model. All calls of one request have the same id here."""

    request: GenerateRequest

    @property
    def affinity(self) -> str:
        """The end user, else a digest of the conversation up to the user's first turn, which every
        later request of it begins with."""
        if self.caller.end_user or not self.request.messages:
            return self.caller.end_user
        digest = blake2b(digest_size=16)
        for message in self.request.messages:
            digest.update(f"{message.role}\0{message.content}\0".encode("utf-8", "surrogatepass"))
            if message.role == "user":
                break
        return digest.hexdigest()

    @property
    def prompt_bytes(self) -> int:
        request = self.request
        if request.prompt_ids:
            return len(request.prompt_ids) * _BYTES_PER_TOKEN
        if request.prompt is not None:
            return len(request.prompt.encode())
        turns = sum(len(message.content.encode()) for message in request.messages)
        return turns + request.tool_bytes

    @property
    def prompt_tokens(self) -> int:
        return self.prompt_bytes // _BYTES_PER_TOKEN

    @property
    def modalities(self) -> frozenset[Modality]:
        request = self.request
        found: set[Modality] = set()
        if request.image_sources or request.images:
            found.add("image")
        if uses_tools(request.messages, request.tool_settings):
            found.add("tools")
        if request.output_format is not None:
            found.add("structured_output")
        return frozenset(found) or _TEXT
