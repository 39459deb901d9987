"""The header that names fields of a body which changed nothing, such as `reasoning`."""

import re
from collections.abc import Sequence

from deployments.ingress.context import HeaderFields

NAME = b"mobula-ignored"
MAX_NAMES = 16
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def ignored_header(names: Sequence[str]) -> HeaderFields:
    """No header without names; of many names the first ones, and how many more there are."""
    shown = [_UNSAFE.sub("?", name[:100]) or "?" for name in names[:MAX_NAMES]]
    if len(names) > MAX_NAMES:
        shown.append(f"+{len(names) - MAX_NAMES}")
    return [(NAME, ", ".join(shown).encode())] if shown else []
