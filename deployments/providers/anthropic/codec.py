"""The codec of Anthropic's wire format: implements `WireCodec`."""

from collections.abc import Mapping

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Completion, GenerateRequest
from deployments.providers.anthropic.request import AnthropicOptions, encode_message
from deployments.providers.anthropic.response import decode_message, parse_json, read_error
from deployments.providers.anthropic.stream import MessageDecoder
from deployments.providers.errors import UpstreamError, error_problem
from deployments.providers.features import FeatureCheck
from deployments.providers.wire import WireRequest

PATH = "/v1/messages"
VERSION_HEADER = ("anthropic-version", "2023-06-01")
_OFFERED = frozenset(
    ("temperature", "top_p", "top_k", "stop", "tools", "json_object", "json_schema", "images")
)


class AnthropicCodec:
    """What the API does not offer is refused, whatever `capabilities` say."""

    provider = "anthropic"

    def __init__(self, options: AnthropicOptions, capabilities: frozenset[str] = _OFFERED) -> None:
        self._options = options
        self._features = FeatureCheck(capabilities & _OFFERED)

    def encode(self, request: GenerateRequest, source: str, *, stream: bool) -> WireRequest:
        self._features.refuse_unsupported(request)
        body = encode_message(request, source, self._options, stream=stream)
        return WireRequest(PATH, body, (VERSION_HEADER,))

    def decode(self, request: GenerateRequest, body: bytes) -> Completion:
        return decode_message(request, body, self._options)

    def decoder(self, request: GenerateRequest) -> MessageDecoder:
        return MessageDecoder(request, self._options)

    def problem(self, status: int, headers: Mapping[str, str], body: bytes) -> Problem:
        found = parse_json(body)
        error = read_error(found) if isinstance(found, dict) else UpstreamError()
        return error_problem(self._options.model, status, headers, error)
