"""Cache tags: a tenant's own names for its cached responses, by which they can be invalidated.

In: a name, or the header `Mobula-Cache-Tags: a,b`. Out: the validated names, or InvalidRequest with
the field and the limit. Knows no cache.
"""

import re

from cluster.runtime.problems import InvalidRequest

HEADER = "Mobula-Cache-Tags"
MAX_LENGTH, MAX_TAGS = 100, 16  # characters of a tag; tags of a request
_SHAPE = re.compile(rf"[A-Za-z0-9._:/-]{{1,{MAX_LENGTH}}}", re.ASCII)


def check_tag(tag: str, param: str = "tag") -> str:
    """The tag itself. Raises InvalidRequest that names `param`."""
    if _SHAPE.fullmatch(tag) is None:
        raise InvalidRequest(
            f"{param}: is 1 to {MAX_LENGTH} characters, each of A-Z a-z 0-9 . _ : / -",
            param=param,
            limit=MAX_LENGTH,
        )
    return tag


def parse_tags(header: str) -> tuple[str, ...]:
    """The tags of a comma-separated header, in order and each once; an empty header has none.

    Raises InvalidRequest.
    """
    if not header.strip():
        return ()
    tags = [tag.strip(" \t") for tag in header.split(",", MAX_TAGS)]
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(
            f"{HEADER}: names at most {MAX_TAGS} tags.", param=HEADER, limit=MAX_TAGS
        )
    return tuple(dict.fromkeys(check_tag(tag, HEADER) for tag in tags))
