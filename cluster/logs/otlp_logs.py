"""Lines of the log as OTLP log records, for a collector: off unless OTEL_LOGS_EXPORTER is `otlp`.

In: lines of the schema, after they were written to their file, so without credentials and without
what was left out as repeats. Out: the body of a POST to a collector's `/v1/logs`, sent by
cluster/tracing/otlp_sender.py from a thread and a bounded queue. Format: OpenTelemetry's log data
model 1.x in OTLP's JSON encoding.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from cluster.runtime.version import VERSION
from cluster.tracing import genai_names as names
from cluster.tracing.configured_exporter import process_name
from cluster.tracing.otlp_json import SCOPE, encode_attributes, nanoseconds
from cluster.tracing.otlp_settings import OtlpSettings
from cluster.tracing.span import Attributes, AttributeValue

if TYPE_CHECKING:
    from cluster.tracing.otlp_sender import OtlpSender

# "Severity number" of the log data model.
_SEVERITIES: Mapping[str, int] = {
    "debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21,
}  # fmt: skip
_OF_THE_RECORD = frozenset({"ts", "level", "message", "trace_id", "span_id", "event"})
_ATTRIBUTES: Mapping[str, str] = {
    "tenant": names.TENANT,
    "key": names.KEY_ID,
    "cache": names.CACHE,
    "method": names.HTTP_METHOD,
    "path": names.URL_PATH,
    "status": names.HTTP_STATUS,
    "problem": names.ERROR_TYPE,
    "client": "client.address",
    "exception": "exception.stacktrace",
    "pid": "process.pid",
    "logger": "logger.name",
}


def configured_log_exporter(kind: str) -> "OtlpSender[bytes] | None":
    """That of this process, which is one of a `kind`. Where logs are not exported, nothing is
    loaded."""
    settings = OtlpSettings()
    target = settings.target("logs")
    if target is None:
        return None
    from cluster.tracing.otlp_exporter import resource_attributes
    from cluster.tracing.otlp_sender import OtlpSender

    resource = resource_attributes(settings, process_name(kind))

    def encode(lines: Sequence[bytes]) -> bytes:
        return encode_lines(lines, resource)

    return OtlpSender(target, encode)


def encode_lines(lines: Sequence[bytes], resource: Attributes) -> bytes:
    """One request of OTLP's logs service."""
    return orjson.dumps(
        {
            "resourceLogs": [
                {
                    "resource": {"attributes": encode_attributes(resource)},
                    "scopeLogs": [
                        {
                            "scope": {"name": SCOPE, "version": VERSION},
                            "logRecords": [_record(orjson.loads(line)) for line in lines],
                        }
                    ],
                }
            ]
        }
    )


def _record(line: Mapping[str, Any]) -> Mapping[str, Any]:
    level = str(line.get("level", "warning"))
    record: dict[str, Any] = {
        "timeUnixNano": nanoseconds(float(line["ts"])),
        "severityNumber": _SEVERITIES.get(level, _SEVERITIES["warning"]),
        "severityText": level.upper(),
        "body": {"stringValue": str(line.get("message", ""))},
        "attributes": encode_attributes(
            {
                _ATTRIBUTES.get(name, f"mobula.{name}"): _plain(value)
                for name, value in line.items()
                if value is not None and name not in _OF_THE_RECORD
            }
        ),
    }
    if line.get("trace_id"):
        record["traceId"] = line["trace_id"]
    if line.get("span_id"):
        record["spanId"] = line["span_id"]
    return record


def _plain(value: Any) -> AttributeValue:
    """Details of a line may be any JSON."""
    return value if isinstance(value, str | bool | int | float) else orjson.dumps(value).decode()
