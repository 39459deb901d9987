"""Recordings of callers as they cross stages: paths of tenants' files in, what is heard out.

These values are pickled, or sent over links as msgpack, between processes. They know nothing of
HTTP, of media libraries and of Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.media import MediaLimits

MEDIA = "media"  # the name of this work in limits and logs


@version_tolerant
@dataclass(frozen=True, slots=True)
class ExamineRequest:
    """What is in the file at `path` of the caller's tenant? `timeout_s` is the rest of the
    caller's deadline at the time of sending. `trace` is the call's span, `trace_state` as in
    GenerateRequest."""

    request_id: str
    caller: Caller
    path: str
    limits: MediaLimits = MediaLimits()
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return MEDIA


@version_tolerant
@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """`info` is a MediaInfo as JSON (deployments/video/probe/media_info_json.py), `sha256` and
    `bytes` are those of the file."""

    sha256: str
    bytes: int
    info: Mapping[str, Any] = field(default_factory=dict)


class MediaReader(Protocol):
    """Opens files of tenants: in this process, or by the deployment `Media`."""

    async def examine(self, request: ExamineRequest) -> ExaminedFile:
        """Raises NotFound for a file that does not exist, and the refusals of files that are no
        recordings, damaged or over a limit (deployments/sandbox/errors.py)."""
        ...
