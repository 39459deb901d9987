"""Which replicas a changed configuration has to roll, said as Serve understands it.

Serve takes any change of an application's `args` for a new version of all its deployments. What
only the replicas of one model have to know is therefore put into that deployment's own options, and
the args stay as they were: other models keep running. In and out: applications as in
serve_config.yaml. Knows neither Ray nor how a configuration is sent.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from deployments.model.spec import LiveConfig, ModelSpec
from graphs.args import AppArgs, EmbeddingArgs, ModelArgs
from graphs.options import clipper_options, ingress_options, model_name, model_options

BUILDER = "graphs.app:build"
ALL = "all"
SPEC, RESTARTED = "MOBULA_MODEL_SPEC", "MOBULA_RESTARTED"  # as Settings reads the first
_SEEN_BY_INGRESS = {"id", "max_output_tokens"}
_PLACED = {"replicas", "num_cpus", "num_gpus"}
_LIVE = set(LiveConfig.model_fields) & set(ModelSpec.model_fields)

App = Mapping[str, Any]
Served = ModelArgs | EmbeddingArgs


def restartable(args: AppArgs) -> dict[str, dict[str, Any]]:
    """What `--restart` may name -> the Serve options of its deployment."""
    found = {model.id: model_options(model) for model in _served(args)}
    found["ingress"] = ingress_options(args.ingress, args.video)
    if args.video.enabled:
        found["clipper"] = clipper_options(args.video)
    return found


def diff_applications(
    live: App, wanted: App, restart: Collection[str] = (), stamp: str = ""
) -> App:
    """What to send so that `live` becomes `wanted`, and what is named in `restart` starts anew.

    `stamp` is a word that was not used before. Both are of BUILDER, `wanted` is valid.
    """
    private = None if ALL in restart else _privately(live, wanted)
    if private is None:
        return _marked(wanted, stamp) if ALL in restart else wanted
    options = restartable(AppArgs.model_validate(wanted["args"]))
    for name, each in _restarts(live, options, restart, stamp).items():
        _merge(private.setdefault(name, {"name": name}), each)
    for asked in wanted.get("deployments", []):
        _merge(private.setdefault(asked["name"], {}), asked)
    kept = {key: live[key] for key in ("args", "runtime_env") if key in live}
    return {**wanted, **kept, "deployments": [private[name] for name in sorted(private)]}


def _privately(live: App, wanted: App) -> dict[str, dict[str, Any]] | None:
    """Options by deployment over unchanged args; None where everything has to roll."""
    if any(live.get(key) != wanted.get(key) for key in ("import_path", "route_prefix")):
        return None
    if _asked_env(live) != _asked_env(wanted):
        return None
    try:
        base = AppArgs.model_validate(live["args"])
    except (ValidationError, KeyError):  # of another version of this code
        return None
    asked = AppArgs.model_validate(wanted["args"])
    if _shared(base) != _shared(asked):
        return None
    tuned = {each["name"] for each in live.get("deployments", []) if "user_config" in each}
    pairs = zip(_served(base), _served(asked), strict=True)
    found = [_override(old, new, model_name(new.id) in tuned) for old, new in pairs]
    return {each["name"]: each for each in found if len(each) > 1}


def _served(args: AppArgs) -> tuple[Served, ...]:
    return *args.models, *args.embeddings


def _asked_env(app: App) -> dict[str, Any]:
    """The runtime environment without our marker."""
    env = dict(app.get("runtime_env") or {})
    words = {k: v for k, v in env.pop("env_vars", {}).items() if k != RESTARTED}
    return {**env, **({"env_vars": words} if words else {})}


def _private(model: Served) -> set[str]:
    """Fields that nobody but the model's own replicas and their number depends on."""
    placed = set() if model.scaling is not None else _PLACED
    return (set(type(model.spec()).model_fields) - _SEEN_BY_INGRESS) | placed


def _shared(args: AppArgs) -> dict[str, Any]:
    def public(models: tuple[Served, ...]) -> list[dict[str, Any]]:
        return [model.model_dump(exclude=_private(model)) for model in models]

    rest = args.model_dump(exclude={"models", "embeddings"})
    return {**rest, "models": public(args.models), "embeddings": public(args.embeddings)}


def _override(old: Served, new: Served, tuned: bool) -> dict[str, Any]:
    """How `new` differs; `tuned`: tunables were changed before, so each is said again."""
    found: dict[str, Any] = {"name": model_name(new.id)}
    if old.replicas != new.replicas:
        found["num_replicas"] = new.replicas
    live = _LIVE if isinstance(new, ModelArgs) else set()
    if tuned or any(getattr(old, name) != getattr(new, name) for name in live):
        found["user_config"] = {name: getattr(new, name) for name in sorted(live)}
    actor = dict(model_options(new)["ray_actor_options"])
    if old.spec().model_dump(exclude=live) != new.spec().model_dump(exclude=live):
        _merge(actor, _env(SPEC, json.dumps(new.spec().model_dump(mode="json"))))
    if actor != model_options(old)["ray_actor_options"]:
        found["ray_actor_options"] = actor
    return found


def _restarts(
    live: App, options: Mapping[str, Mapping[str, Any]], restart: Collection[str], stamp: str
) -> dict[str, dict[str, Any]]:
    """The marks of earlier restarts, which stay, and the new ones."""
    marks = {each["name"]: _mark(each) for each in live.get("deployments", [])}
    marks |= {options[name]["name"]: stamp for name in restart}
    actors = {each["name"]: each["ray_actor_options"] for each in options.values()}
    return {
        name: {"ray_actor_options": _merge(dict(actors[name]), _env(RESTARTED, mark))}
        for name, mark in marks.items()
        if mark and name in actors
    }


def _mark(deployment: Mapping[str, Any]) -> str | None:
    env = (deployment.get("ray_actor_options") or {}).get("runtime_env") or {}
    return env.get("env_vars", {}).get(RESTARTED)


def _marked(app: App, stamp: str) -> App:
    asked = {"runtime_env": dict(app.get("runtime_env") or {})}
    return {**app, **_merge(asked, _env(RESTARTED, stamp))}


def _env(name: str, value: str) -> dict[str, Any]:
    return {"runtime_env": {"env_vars": {name: value}}}


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Put `more` into `into`, dictionaries into dictionaries."""
    for key, value in more.items():
        inside = into.get(key)
        if isinstance(inside, dict) and isinstance(value, Mapping):
            into[key] = _merge(dict(inside), value)
        else:
            into[key] = value
    return into
