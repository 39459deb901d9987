"""Whether the server in this container can serve: what an image's HEALTHCHECK runs.

Flows in: a port and the name to ask for. Flows out: exit code 0 for a 200 of `/readyz`. Nothing
but the standard library, because it runs every ten seconds.
"""

import argparse
import http.client
import sys
from collections.abc import Sequence

TIMEOUT_S = 4.0


def is_ready(port: int, host: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cluster.ops.probe", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1", help="the name in the Host header")
    chosen = parser.parse_args(arguments)
    return 0 if is_ready(chosen.port, chosen.host) else 1


if __name__ == "__main__":
    sys.exit(main())
