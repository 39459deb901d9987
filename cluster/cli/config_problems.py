"""What is wrong with the operator's configuration, before anything is started or sent.

In: the parsed file of `up`, `deploy` or `manifests`. Out: one sentence for each problem, with its
place. Applications of others are left to Serve.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from graphs.args import AppArgs
from graphs.rollout_diff import ALL, BUILDER, restartable

App = Mapping[str, Any]


def find_problems(config_document: Mapping[str, Any], restart: Iterable[str] = ()) -> list[str]:
    """Problems of a configuration that is rolled out, or of `--restart`."""
    apps = config_document["applications"]
    if not isinstance(apps, list) or not all(isinstance(app, dict) for app in apps):
        return ["applications: is not a list of applications"]
    nameless = [number for number, app in enumerate(apps) if not app.get("name")]
    if nameless:
        return [f"applications.{number}.name: is missing" for number in nameless]
    problems = find_application_problems(config_document)
    return problems or _restart_problems(_own_apps(config_document), restart)


def find_application_problems(config_document: Mapping[str, Any]) -> list[str]:
    """Problems of Mobula's own applications: where they are served, and their arguments."""
    own_apps = _own_apps(config_document)
    paths = [problem for app in own_apps for problem in _path_problems(app)]
    if own_apps:
        paths += _root_path_problems(config_document.get("http_options"))
    return paths + [problem for app in own_apps for problem in _args_problems(app)]


def _own_apps(config_document: Mapping[str, Any]) -> list[App]:
    apps = config_document.get("applications")
    if not isinstance(apps, list):
        return []
    return [app for app in apps if isinstance(app, dict) and app.get("import_path") == BUILDER]


def _path_problems(app: App) -> list[str]:
    """The listener, the fast path, HAProxy's rules and the formats of errors know paths from `/`
    on (decision 84)."""
    prefix = app.get("route_prefix", "/")
    if prefix == "/":
        return []
    return [f"route_prefix: {prefix!r} is not served; Mobula answers at '/' only"]


def _root_path_problems(http_options: object) -> list[str]:
    root = http_options.get("root_path") if isinstance(http_options, Mapping) else None
    if not root:
        return []
    return [f"http_options.root_path: {root!r} is not served; Mobula answers at '/' only"]


def _args_problems(app: App) -> list[str]:
    try:
        AppArgs.model_validate(app.get("args") or {})
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, ('args', *each['loc'])))}: "
            + each["msg"].removeprefix("Value error, ")
            for each in _innermost(error)
        ]
    return []


def _innermost(validation_error: ValidationError) -> list[Any]:
    """Drops errors that follow from a deeper error, such as an empty list of valid items."""
    errors = validation_error.errors()
    locations = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if not any(
            len(location) > len(error["loc"]) and location[: len(error["loc"])] == error["loc"]
            for location in locations
        )
    ]


def _restart_problems(own_apps: Sequence[App], restart: Iterable[str]) -> list[str]:
    known = {ALL}.union(*(restartable(AppArgs.model_validate(app["args"])) for app in own_apps))
    return [
        f"--restart: there is no '{name}'; there are {', '.join(sorted(known))}"
        for name in restart
        if name not in known
    ]
