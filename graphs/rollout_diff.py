"""Computes the minimal rollout of a changed configuration.

Serve treats any change of an application's `args` as a new version of all its deployments. Changes
that concern only one model's replicas are therefore put into that deployment's options, and the
args stay unchanged: other models keep running. In and out: applications as in serve_config.yaml.
Knows neither Ray nor how a configuration is sent.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from cluster.collections.sharding import search_shard_name
from deployments.ingress.names.spec import dump_settings
from deployments.model.spec import LiveConfig, ModelSpec
from graphs.args import AppArgs, ServedArgs
from graphs.model_args import ModelArgs
from graphs.options import (
    clipper_options,
    ingress_options,
    media_options,
    model_name,
    model_options,
    search_options,
    text_options,
)

BUILDER = "graphs.app:build"
ALL = "all"
SPEC, NAMES = "MOBULA_MODEL_SPEC", "MOBULA_INGRESS_NAMES"  # as Settings reads them
RESTARTED = "MOBULA_RESTARTED"
_MAX_NAMES = 100_000  # bytes; Linux takes 131,072 of one variable
_NAME_FIELD = "served_names"
_INGRESS_FIELDS = {"id", "max_output_tokens", "context_length", "threshold"}
_PLACEMENT_FIELDS = {"replicas", "num_cpus", "num_gpus"}
_LIVE_FIELDS = set(LiveConfig.model_fields) & set(ModelSpec.model_fields)

App = Mapping[str, Any]


def restartable(args: AppArgs) -> dict[str, dict[str, Any]]:
    """Names for `--restart` -> the Serve options of the deployment."""
    options = {model.id: model_options(model) for model in args.served}
    options["ingress"] = ingress_options(args.ingress, args.video)
    if args.video.enabled:
        options["clipper"] = clipper_options(args.video)
    if args.text.enabled:
        options["text"] = text_options(args.text)
    if args.media.enabled:
        options["media"] = media_options(args.media, args.video)
    if args.search.enabled:
        for number in range(args.search.shards):
            options[search_shard_name(number).lower()] = search_options(args.search, number)
    return options


def diff_applications(
    live: App, wanted: App, restart: Collection[str] = (), stamp: str = ""
) -> App:
    """The application to send, so that `live` becomes `wanted` and `restart` is restarted.

    `stamp` is a new unique text. Both applications are of BUILDER, `wanted` is valid.
    """
    private = None if ALL in restart else _diff_options(live, wanted)
    if private is None:
        return _with_stamp(wanted, stamp) if ALL in restart else wanted
    options = restartable(AppArgs.model_validate(wanted["args"]))
    for name, extra in _restarts(live, options, restart, stamp).items():
        _merge(private.setdefault(name, {"name": name}), extra)
    for requested in wanted.get("deployments", []):
        _merge(private.setdefault(requested["name"], {}), requested)
    unchanged = {key: live[key] for key in ("args", "runtime_env") if key in live}
    return {**wanted, **unchanged, "deployments": [private[name] for name in sorted(private)]}


def _diff_options(live: App, wanted: App) -> dict[str, dict[str, Any]] | None:
    """Changed options by deployment, with unchanged args; None if everything must be replaced."""
    if any(live.get(key) != wanted.get(key) for key in ("import_path", "route_prefix")):
        return None
    if _own_env(live) != _own_env(wanted):
        return None
    try:
        live_args = AppArgs.model_validate(live["args"])
    except (ValidationError, KeyError):  # of another version of this code
        return None
    new_args = AppArgs.model_validate(wanted["args"])
    if _shared(live_args) != _shared(new_args):
        return None
    with_user_config = {
        override["name"] for override in live.get("deployments", []) if "user_config" in override
    }
    pairs = zip(live_args.served, new_args.served, strict=True)
    overrides = [_override(old, new, model_name(new.id) in with_user_config) for old, new in pairs]
    named = _named_ingress(live_args, new_args)
    if named is None:
        return None
    overrides.append(named)
    return {override["name"]: override for override in overrides if len(override) > 1}


def _own_env(app: App) -> dict[str, Any]:
    """The runtime environment without the restart stamp."""
    env = dict(app.get("runtime_env") or {})
    words = {k: v for k, v in env.pop("env_vars", {}).items() if k != RESTARTED}
    return {**env, **({"env_vars": words} if words else {})}


def _private_fields(model: ServedArgs) -> set[str]:
    """Fields that concern only the model's replicas and their number."""
    placed = set() if model.scaling is not None else _PLACEMENT_FIELDS
    return (set(type(model.spec()).model_fields) - _INGRESS_FIELDS) | placed


def _shared(args: AppArgs) -> dict[str, Any]:
    def public(models: tuple[ServedArgs, ...]) -> list[dict[str, Any]]:
        hidden = {_NAME_FIELD}
        return [model.model_dump(exclude=_private_fields(model) | hidden) for model in models]

    kinds: dict[str, tuple[ServedArgs, ...]] = {
        "models": args.local_models,
        "embeddings": args.local_embeddings,
        "rerank": args.rerank,
        "moderators": args.moderation.models,
    }
    apart: dict[str, Any] = {**dict.fromkeys(kinds, True), "moderation": {"models"}, "names": True}
    rest = args.model_dump(exclude=apart)
    external = [model.model_dump(exclude={_NAME_FIELD}) for model in args.external]
    return {
        **rest,
        **{kind: public(models) for kind, models in kinds.items()},
        "external": external,
    }


def _override(old: ServedArgs, new: ServedArgs, tuned: bool) -> dict[str, Any]:
    """The options that differ; `tuned`: tunables were overridden before, so all are repeated."""
    options: dict[str, Any] = {"name": model_name(new.id)}
    if old.replicas != new.replicas:
        options["num_replicas"] = new.replicas
    live = _LIVE_FIELDS if isinstance(new, ModelArgs) else set()
    if tuned or any(getattr(old, name) != getattr(new, name) for name in live):
        options["user_config"] = {name: getattr(new, name) for name in sorted(live)}
    actor = dict(model_options(new)["ray_actor_options"])
    if old.spec().model_dump(exclude=live) != new.spec().model_dump(exclude=live):
        _merge(actor, _env(SPEC, json.dumps(new.spec().model_dump(mode="json"))))
    if actor != model_options(old)["ray_actor_options"]:
        options["ray_actor_options"] = actor
    return options


def _named_ingress(old: AppArgs, new: AppArgs) -> dict[str, Any] | None:
    """Other names of models concern the ingress alone. None: there are too many of them."""
    options: dict[str, Any] = {"name": ingress_options(new.ingress, new.video)["name"]}
    names = new.name_settings
    if names != old.name_settings:
        text = dump_settings(names)
        if len(text.encode()) > _MAX_NAMES:
            return None
        actor = dict(ingress_options(new.ingress, new.video)["ray_actor_options"])
        options["ray_actor_options"] = _merge(actor, _env(NAMES, text))
    return options


def _restarts(
    live: App, options: Mapping[str, Mapping[str, Any]], restart: Collection[str], stamp: str
) -> dict[str, dict[str, Any]]:
    """The stamps of earlier restarts, which stay, and the new ones."""
    marks = {each["name"]: _get_stamp(each) for each in live.get("deployments", [])}
    marks |= {options[name]["name"]: stamp for name in restart}
    actors = {each["name"]: each["ray_actor_options"] for each in options.values()}
    return {
        name: {"ray_actor_options": _merge(dict(actors[name]), _env(RESTARTED, mark))}
        for name, mark in marks.items()
        if mark and name in actors
    }


def _get_stamp(deployment: Mapping[str, Any]) -> str | None:
    env = (deployment.get("ray_actor_options") or {}).get("runtime_env") or {}
    return env.get("env_vars", {}).get(RESTARTED)


def _with_stamp(app: App, stamp: str) -> App:
    options = {"runtime_env": dict(app.get("runtime_env") or {})}
    return {**app, **_merge(options, _env(RESTARTED, stamp))}


def _env(name: str, value: str) -> dict[str, Any]:
    return {"runtime_env": {"env_vars": {name: value}}}


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Merges `more` into `into` recursively."""
    for key, value in more.items():
        inside = into.get(key)
        if isinstance(inside, dict) and isinstance(value, Mapping):
            into[key] = _merge(dict(inside), value)
        else:
            into[key] = value
    return into
