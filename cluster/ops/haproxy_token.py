"""The token that authenticates HAProxy to an ingress replica, whose port others may reach too.

Both derive it from Ray's cluster token, which only nodes of the cluster have. Standard library
only.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

_PURPOSE = b"mobula: requests that come through HAProxy"


def proxy_token(environment: Mapping[str, str]) -> str | None:
    """64 hexadecimal digits; None (no request is trusted) if the cluster has no token."""
    token = environment.get("RAY_AUTH_TOKEN") or _read_token_file(environment)
    if not token:
        return None
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def own_proxy_token() -> str | None:
    """The token of this process's cluster."""
    return proxy_token(os.environ)


def _read_token_file(environment: Mapping[str, str]) -> str:
    path = environment.get("RAY_AUTH_TOKEN_PATH")
    try:
        return Path(path).read_text().strip() if path else ""
    except OSError:
        return ""
