"""Which requests may bring more or less than others, and take longer to bring it.

A table of them is handed to the layers that bound bodies; a request that is in no row of it has
the usual bounds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import Scope

from cluster.runtime.problems import PayloadTooLarge


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """`methods` on paths that match `path` wholly: bodies of `max_bytes`, which may take `body_s`
    seconds to come, and their answer as long (None: the usual time). `too_large` makes the refusal.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    max_bytes: int
    body_s: float | None = None
    too_large: Callable[[int], PayloadTooLarge] = PayloadTooLarge


MAX_SIGN_IN_BYTES = 16 << 10
# Open to everybody, so small: a password has 128 characters, a token 64.
SIGN_IN = RouteLimit(frozenset({"POST"}), re.compile(r"/api/v1/auth/.*"), MAX_SIGN_IN_BYTES)


def route_limit(allowances: Sequence[RouteLimit], scope: Scope) -> RouteLimit | None:
    """The first that the request is in."""
    for each in allowances:
        if scope["method"] in each.methods and each.path.fullmatch(scope["path"]):
            return each
    return None
