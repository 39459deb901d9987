"""The size and time limits of requests that upload recordings and files."""

import re

from cluster.runtime.problems import PayloadTooLarge
from deployments.contracts.media import MediaLimits
from deployments.files.model import MAX_BYTES
from deployments.ingress.http.middleware.limits import RouteLimit

MAX_FORM_BYTES = 512 << 20  # of the file in a form
MAX_TRANSCRIPT_BYTES = 5 << 20
AUDIO_S = 600.0  # for the form with a recording, and again for what is said in it
MAX_IMPORT_BYTES = 64 << 10  # of the JSON that names a URL
FORM_S = 3600.0
CHUNK_S = 4 * 3600.0
_FILE_FIELDS = 64 << 10  # the other fields of the form of a file
_OTHER_FIELDS = MAX_TRANSCRIPT_BYTES + (64 << 10)  # the other fields of a form


class FormTooLarge(PayloadTooLarge):
    """Names the alternatives for larger files."""

    slug, title = "form-too-large", "The file is too large for a form"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.detail = (
            f"A form takes {limit_bytes} bytes at most; send larger files to /api/v1/uploads "
            "(tus 1.0.0), or name their URL."
        )


def _form_too_large(limit_bytes: int) -> PayloadTooLarge:
    return FormTooLarge(limit_bytes - _OTHER_FIELDS)


FILE_LIMIT = RouteLimit(
    frozenset({"POST"}),
    re.compile(r"/v1/files"),
    MAX_BYTES + _FILE_FIELDS,
    FORM_S,
    lambda limit_bytes: PayloadTooLarge(limit_bytes - _FILE_FIELDS),
)


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
            max_form_bytes + _OTHER_FIELDS,
            FORM_S,
            _form_too_large,
        ),
        RouteLimit(
            frozenset({"POST", "PATCH", "HEAD"}),
            re.compile(rf"/api/v1/uploads(/{id_})?"),
            largest,
            CHUNK_S,
        ),
        FILE_LIMIT,
        RouteLimit(
            frozenset({"PUT"}),
            re.compile(rf"/api/v1/videos/{id_}/transcript"),
            MAX_TRANSCRIPT_BYTES,
            60.0,
        ),
    )


def audio_limits(max_form_bytes: int) -> tuple[RouteLimit, ...]:
    """The same for forms with recordings that are analysed."""
    path = re.compile(r"/v1/audio/(transcriptions|translations)|/api/v1/audio")
    most = max_form_bytes + _OTHER_FIELDS
    return (RouteLimit(frozenset({"POST"}), path, most, AUDIO_S, _form_too_large),)


def document_limit(max_form_bytes: int) -> RouteLimit:
    """The same for forms with documents."""
    return RouteLimit(
        frozenset({"POST"}),
        re.compile(r"/api/v1/documents"),
        max_form_bytes + _FILE_FIELDS,
        FORM_S,
        lambda limit_bytes: PayloadTooLarge(limit_bytes - _FILE_FIELDS),
    )
