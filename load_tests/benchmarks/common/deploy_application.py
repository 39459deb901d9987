"""Deploys Mobula on a running Ray cluster, from a process of its own, and ends when it is up.

Flows in: one argument, as JSON: the cluster's `address`, the HTTP `port`, and `args` of the graph.
"""

import json
import logging
import sys

import ray
from ray import serve

from cluster.runtime.settings import LOOPBACK
from graphs.app import build
from graphs.args import AppArgs


def main(arguments: str) -> None:
    options_given = json.loads(arguments)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(
        options_given["address"], namespace="serve", log_to_driver=False, logging_level="WARNING"
    )
    options = {"host": LOOPBACK, "port": options_given["port"]}
    serve.start(proxy_location="EveryNode", http_options=options)
    serve.run(build(AppArgs.model_validate(options_given["args"])), name="mobula", route_prefix="/")


if __name__ == "__main__":
    main(sys.argv[1])
