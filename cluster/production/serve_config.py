"""The Serve configuration as several nodes need it: a proxy on each, and files that all reach.

Flows in: serve_config.yaml and the values. Flows out: the same for `serveConfigV2` of a RayService.
"""

from typing import Any

from cluster.production.environment import PORTS
from cluster.production.values import InvalidValues, Values


def cluster_serve_config(config: dict[str, Any], values: Values) -> dict[str, Any]:
    """Raises BadValues where a part would keep its files on one node."""
    applications = config.get("applications")
    if not isinstance(applications, list) or not applications:
        raise InvalidValues("the Serve configuration has no `applications`")
    return {
        **config,
        "proxy_location": "EveryNode",
        "http_options": {
            **(config.get("http_options") or {}),
            "host": "0.0.0.0",
            "port": PORTS.http,
        },
        "applications": [_shared(application, values) for application in applications],
    }


def _shared(application: dict[str, Any], values: Values) -> dict[str, Any]:
    args = dict(application.get("args") or {})
    video, cache = dict(args.get("video") or {}), dict(args.get("cache") or {})
    if video.get("enabled", True):
        video["store"] = _shared_location(video.get("store"), "video.store", values)
        args["video"] = video
    if cache.get("archive") is not None:
        cache["archive"] = _shared_location(cache["archive"], "cache.archive", values)
        args["cache"] = cache
    return {**application, "args": args}


def _shared_location(location: str | None, field: str, values: Values) -> str:
    if location is not None and "://" in location:
        return location
    if values.blobs is None:
        raise InvalidValues(
            f"blobs: nodes share no disk, and {field} is the folder '{location or 'blobs'}' of "
            "one: name an object store here (s3://bucket/prefix), or leave that part out of the "
            "Serve configuration"
        )
    return f"{values.blobs.rstrip('/')}/{location or 'blobs'}"
