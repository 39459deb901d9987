"""A collector for tests and benchmarks: takes OTLP over HTTP, and parses it with OpenTelemetry's
own protocol buffers, so that what they do not know is an error.

In: POSTs of JSON to `/v1/traces` and `/v1/logs`. Out: spans by trace id, and log records.
"""

import base64
import gzip
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_IDS = ("traceId", "spanId", "parentSpanId")
_MESSAGES: Mapping[str, type[Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as OTLP has it; `process` is the `service.instance.id` of its resource."""

    process: str
    span: Span

    @property
    def id(self) -> str:
        return self.span.span_id.hex()

    @property
    def parent_id(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def attributes(self) -> dict[str, Any]:
        return attributes_of(self.span.attributes)


@dataclass(frozen=True, slots=True)
class ReceivedLog:
    """A log record, and the process that wrote it."""

    process: str
    record: LogRecord

    @property
    def trace_id(self) -> str:
        return self.record.trace_id.hex()

    @property
    def attributes(self) -> dict[str, Any]:
        return attributes_of(self.record.attributes)


class OtlpReceiver:
    """Use as a context manager; `url` is the endpoint. `refused` says what could not be parsed."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._lock = threading.Lock()
        self._traces: defaultdict[str, list[ReceivedSpan]] = defaultdict(list)
        self._logs: list[ReceivedLog] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def trace(self, trace_id: str) -> Sequence[ReceivedSpan]:
        """The spans that have come of a trace."""
        with self._lock:
            return tuple(self._traces.get(trace_id, ()))

    def logs(self) -> Sequence[ReceivedLog]:
        with self._lock:
            return tuple(self._logs)

    def take(self, path: str, body: bytes) -> None:
        """One request. Raises ValueError for what OTLP does not have."""
        message = parse_otlp(path, body)
        with self._lock:
            if isinstance(message, ExportTraceServiceRequest):
                for group in message.resource_spans:
                    process = _process(group.resource.attributes)
                    for scope in group.scope_spans:
                        for span in scope.spans:
                            received = ReceivedSpan(process, span)
                            self._traces[span.trace_id.hex()].append(received)
            elif isinstance(message, ExportLogsServiceRequest):
                for logs in message.resource_logs:
                    process = _process(logs.resource.attributes)
                    for of_scope in logs.scope_logs:
                        self._logs += [ReceivedLog(process, each) for each in of_scope.log_records]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                status = 200
                try:
                    receiver.take(self.path, body)
                except ValueError as error:
                    receiver.refused.append(str(error))
                    status = 400
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

        return Handler


def parse_otlp(path: str, body: bytes) -> Message:
    """The message of OTLP's JSON. Ids are hexadecimal there, and base64 in protocol buffers' JSON.
    Raises ValueError."""
    if path not in _MESSAGES:
        raise ValueError(f"no such path: {path}")
    try:
        return ParseDict(_with_base64(orjson.loads(body)), _MESSAGES[path]())
    except ParseError as error:
        raise ValueError(str(error)) from None


def attributes_of(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: plain_value(pair.value) for pair in pairs}


def plain_value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def _process(pairs: Sequence[KeyValue]) -> str:
    return str(attributes_of(pairs).get("service.instance.id", ""))


def _with_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(inner)).decode()
        if name in _IDS
        else _with_base64(inner)
        for name, inner in value.items()
    }
