"""Container health check: exit code 0 if `/readyz` returns 200.

In: a port and a Host header. It uses TLS if the environment names a certificate, and does not
verify it: the request stays on this machine and holds no secret. Standard library only, because it
runs every ten seconds.
"""

import argparse
import http.client
import os
import ssl
import sys
from collections.abc import Sequence

TIMEOUT_S = 4.0


def is_ready(port: int, host: str, *, tls: bool = False) -> bool:
    connection = _connection(port, tls)
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(port: int, tls: bool) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cluster.ops.healthcheck", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1", help="the name in the Host header")
    options = parser.parse_args(arguments)
    tls = bool(os.environ.get("MOBULA_TLS_CERT_FILE"))
    return 0 if is_ready(options.port, options.host, tls=tls) else 1


if __name__ == "__main__":
    sys.exit(main())
