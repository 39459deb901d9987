"""How large bodies that bring recordings may be, and how long they may take to come."""

import re

from cluster.runtime.problems import PayloadTooLarge
from deployments.contracts.media import MediaLimits
from deployments.ingress.http.middleware.limits import RouteLimit

MAX_FORM_BYTES = 512 << 20  # of the file in a form
MAX_TRANSCRIPT_BYTES = 5 << 20
MAX_IMPORT_BYTES = 64 << 10  # of the JSON that names a URL
FORM_S = 3600.0
PIECE_S = 4 * 3600.0
_BESIDE = MAX_TRANSCRIPT_BYTES + (64 << 10)  # what else a form holds


class FormTooLarge(PayloadTooLarge):
    """Names the way in for larger files."""

    slug, title = "form-too-large", "The file is too large for a form"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.detail = (
            f"A form takes {limit_bytes} bytes at most; send larger files in pieces to "
            "/api/v1/uploads (tus 1.0.0), or name their URL."
        )


def _form_too_large(limit_bytes: int) -> PayloadTooLarge:
    return FormTooLarge(limit_bytes - _BESIDE)


def upload_limits(
    limits: MediaLimits | None = None, max_form_bytes: int = MAX_FORM_BYTES
) -> tuple[RouteLimit, ...]:
    """For `LimitedRequests`."""
    largest = (limits or MediaLimits()).max_bytes
    id_ = r"[0-9A-Za-z_-]{1,63}"
    return (
        RouteLimit(
            frozenset({"POST"}),
            re.compile(r"/api/v1/videos"),
            max_form_bytes + _BESIDE,
            FORM_S,
            _form_too_large,
        ),
        RouteLimit(
            frozenset({"POST", "PATCH", "HEAD"}),
            re.compile(rf"/api/v1/uploads(/{id_})?"),
            largest,
            PIECE_S,
        ),
        RouteLimit(
            frozenset({"PUT"}),
            re.compile(rf"/api/v1/videos/{id_}/transcript"),
            MAX_TRANSCRIPT_BYTES,
            60.0,
        ),
    )
