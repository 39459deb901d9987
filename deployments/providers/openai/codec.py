"""The codec of OpenAI's wire format: implements `WireCodec`."""

from collections.abc import Mapping

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Completion, GenerateRequest
from deployments.providers.errors import error_problem
from deployments.providers.features import FeatureCheck
from deployments.providers.openai.answers import parse_error
from deployments.providers.openai.decode import OpenAIStreamDecoder, decode_completion
from deployments.providers.openai.encode import OpenAIOptions, encode_request, output_limit
from deployments.providers.wire import WireRequest


class OpenAICodec:
    provider = "openai"

    def __init__(self, options: OpenAIOptions, capabilities: frozenset[str]) -> None:
        self._options = options
        self._features = FeatureCheck(capabilities)

    def encode(self, request: GenerateRequest, source: str, *, stream: bool) -> WireRequest:
        self._features.refuse_unsupported(request)
        return encode_request(self._options, request, source, stream=stream)

    def decode(self, request: GenerateRequest, body: bytes) -> Completion:
        return decode_completion(self._options.model, request, self._limit(request), body)

    def decoder(self, request: GenerateRequest) -> OpenAIStreamDecoder:
        return OpenAIStreamDecoder(self._options.model, request, self._limit(request))

    def problem(self, status: int, headers: Mapping[str, str], body: bytes) -> Problem:
        return error_problem(self._options.model, status, headers, parse_error(body))

    def _limit(self, request: GenerateRequest) -> int:
        return output_limit(self._options, request.sampling.max_tokens)
