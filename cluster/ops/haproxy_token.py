"""What HAProxy proves itself with to an ingress replica, whose port others may reach too.

Both derive it from Ray's cluster token, which every node of a cluster has and nobody else. Nothing
but the standard library.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

_PURPOSE = b"mobula: requests that come through HAProxy"


def proxy_token(environment: Mapping[str, str]) -> str | None:
    """64 hexadecimal digits; None where the cluster has no token, so that nothing is believed."""
    token = environment.get("RAY_AUTH_TOKEN") or _from_file(environment)
    if not token:
        return None
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def own_proxy_token() -> str | None:
    """That of the cluster which this process belongs to."""
    return proxy_token(os.environ)


def _from_file(environment: Mapping[str, str]) -> str:
    path = environment.get("RAY_AUTH_TOKEN_PATH")
    try:
        return Path(path).read_text().strip() if path else ""
    except OSError:
        return ""
