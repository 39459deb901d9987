"""Prints the API's description: `python -m deployments.ingress > docs/openapi.json`."""

import sys
from pathlib import Path as FilePath

import orjson

from cluster.auth.keys import KeyDirectory
from cluster.clock import SystemClock
from cluster.settings import Settings
from cluster.version import VERSION
from deployments.content.registry import Providers
from deployments.ingress.app import create_api
from deployments.ingress.models import Models
from deployments.ingress.operations import operations
from deployments.ingress.path import Path
from deployments.ingress.services import Services


def main() -> None:
    """The description depends on code alone, so no model is needed for it."""
    clock = SystemClock()
    models = Models({}, clock)
    path = Path(models)
    services = Services(
        settings=Settings(home=FilePath()),
        authenticator=KeyDirectory(b"", []),
        models=models,
        path=path,
        providers=Providers({"nano": path}, "nano"),
        clock=clock,
        version=VERSION,
        access_log=lambda line: None,
    )
    api = create_api(services, operations(services))
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    sys.stdout.buffer.write(orjson.dumps(api.openapi(), option=options))


if __name__ == "__main__":
    main()
