"""Tags of a request, by which its tenant can split its usage: `Mobula-Tags: beta, checkout`.

Flows in: header fields, or the `metadata` of a body, whose member `tags` is a list or a string like
the header's. Flows out: the tags, each once, in order; or InvalidRequest, which names the limit.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from cluster.runtime.problems import InvalidRequest
from cluster.usage.dimensions import MAX_TAG, MAX_TAGS

USAGE_TAGS = "Mobula-Tags"
TAGS_FIELD = USAGE_TAGS.lower().encode()  # as header fields name it
BODY_TAGS = "metadata.tags"


def header_tags(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Those of all header fields of that name. Raises InvalidRequest."""
    values = [value.decode("latin-1") for name, value in headers if name == TAGS_FIELD]
    return _checked((), _split(",".join(values)), USAGE_TAGS)


def body_tags(metadata: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a body's metadata after those `known` by the header. Raises InvalidRequest."""
    given = metadata.get("tags") if isinstance(metadata, dict) else metadata.tags
    if given is None:
        return known
    if isinstance(given, str):
        given = _split(given)
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise InvalidRequest(f"{BODY_TAGS}: must be a string or a list of them.", param=BODY_TAGS)
    return _checked(known, given, BODY_TAGS)


def _split(text: str) -> list[str]:
    return [tag for each in text.split(",") if (tag := each.strip(" \t"))]


def _checked(known: tuple[str, ...], given: Sequence[str], param: str) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys((*known, *given)))
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(
            f"{param}: {len(tags)} tags; the most is {MAX_TAGS}.", param=param, limit=MAX_TAGS
        )
    for tag in given:
        if not 1 <= len(tag) <= MAX_TAG:
            raise InvalidRequest(
                f"{param}: a tag has 1 to {MAX_TAG} characters.", param=param, limit=MAX_TAG
            )
        if "," in tag or not all("!" <= character <= "~" for character in tag):
            raise InvalidRequest(
                f"{param}: a tag consists of visible ASCII characters without ','.", param=param
            )
    return tags
