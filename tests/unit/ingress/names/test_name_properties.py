"""Names for any configuration, plan and key: never a model beyond what the narrowest grants."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import Deadline, SystemClock
from cluster.runtime.problems import InvalidRequest, UnknownModel
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import Plan
from cluster.tenants.settings import TenantSettings
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.contracts.generation import GenerateRequest, Message, OutputFormat, Sampling
from deployments.ingress.context import AdmittedRequest, ModelWaitTimer
from deployments.ingress.names.facts import GenerationFacts
from deployments.ingress.names.model_names import ModelNames
from deployments.ingress.names.resolver import NameResolver
from deployments.ingress.names.spec import NameSettings, NamesSpec
from tests.unit.ingress.names.conftest import GivenFacts

IDS = ("a", "b", "c", "vendor-x", "vendor-y")
TENANTS, PLANS = ("acme", "acme-eu", "other"), ("trial", "pro")
PATTERNS = ("vendor/*", "gpt-*", "*", "v*/x")
NEVER_AN_ID = ("gpt", "gpt-4", "fast", "smart", "vendor/x", "vendor/z", "house", "", "default")


def _choices(known: tuple[str, ...]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(known)
    weights = st.fixed_dictionaries(
        {"weights": st.dictionaries(names, st.integers(0, 5), min_size=1, max_size=4)},
        optional={"sticky": st.sampled_from(("none", "user"))},
    )
    return st.one_of(names, weights)


def _routes(known: tuple[str, ...]) -> st.SearchStrategy[Any]:
    modalities = st.sampled_from(("text", "tools", "structured_output"))
    rules = st.fixed_dictionaries(
        {"to": _choices(known), "min_prompt_bytes": st.integers(0, 20)},
        optional={
            "modalities": st.lists(modalities, min_size=1),
            "days": st.lists(st.sampled_from(("mon", "sun")), min_size=1),
            "hours": st.sampled_from(("08:00-18:00", "22:00-06:00")),
            "tenants": st.lists(st.sampled_from(("acme*", "other")), min_size=1),
            "plans": st.lists(st.sampled_from(PLANS), min_size=1),
        },
    )
    return st.fixed_dictionaries(
        {"rules": st.lists(rules, min_size=1, max_size=3), "otherwise": _choices(known)}
    )


_patterns = st.lists(
    st.sampled_from((*IDS, "vendor-*", "?", "gpt*", "smart")), min_size=1, max_size=3
)


@st.composite
def configurations(draw: st.DrawFn) -> NameSettings | None:
    """What an operator may have written; None where it is refused. Names lead to those before."""
    served: dict[str, tuple[str, ...]] = draw(st.sampled_from(({}, {"b": ("house",)})))
    known = (*IDS, *(name for names in served.values() for name in names))
    aliases: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(("gpt", "gpt-4", "fast", "smart")), unique=True)):
        aliases[name] = draw(st.one_of(_choices(known), _routes(known)))
        known = (*known, name)
    for pattern in draw(st.lists(st.sampled_from(PATTERNS), max_size=3, unique=True)):
        templates = st.sampled_from(("vendor-{}", "{}"))
        aliases[pattern] = draw(st.one_of(templates, _choices(known), _routes(known)))
    default = draw(st.none() | st.sampled_from(known))
    try:
        spec = NamesSpec.model_validate({"aliases": aliases, "default": default})
        settings = NameSettings(spec, served)
        NameResolver(settings, IDS)
    except ValueError:
        return None
    return settings


def admitted(plan: Plan, key_models: list[str] | None, id: str, caller: Caller) -> AdmittedRequest:
    """A request of a key whose own list of models, if it has one, narrows the plan's."""
    clock = SystemClock()
    allows = plan.allows_model
    if key_models is not None:
        narrowed = Plan(id=plan.id, models=tuple(key_models))
        allowed = tuple(id for id in IDS if allows(id) and narrowed.allows_model(id))
        plan = plan.model_copy(update={"models": allowed})
    return AdmittedRequest(
        id,
        caller,
        plan,
        Deadline.after(5.0, clock),
        0,
        Priority.STANDARD,
        NO_DIRECTIVES,
        ModelWaitTimer(clock),
        permit=None,  # type: ignore[arg-type]
    )


@given(
    settings=configurations(),
    plan_models=st.none() | _patterns,
    key_models=st.none() | _patterns,
    tenant_default=st.none() | st.sampled_from((*IDS, "smart", "vendor/x", "nothing")),
    name=st.sampled_from((*IDS, *NEVER_AN_ID)) | st.text(max_size=12),
    id=st.uuids().map(str),
    who=st.tuples(st.sampled_from(TENANTS), st.sampled_from(PLANS), st.sampled_from(("", "u1"))),
    prompt=st.text(max_size=30),
    is_structured=st.booleans(),
)
def test_a_name_leads_to_a_granted_model_or_nowhere(
    settings: NameSettings | None,
    plan_models: list[str] | None,
    key_models: list[str] | None,
    tenant_default: str | None,
    name: str,
    id: str,
    who: tuple[str, str, str],
    prompt: str,
    is_structured: bool,
) -> None:
    tenant, plan_id, user = who
    plan = Plan(id=plan_id, models=None if plan_models is None else tuple(plan_models))
    caller = Caller(tenant, "key", frozenset(), plan_id, end_user=user)
    names = ModelNames(settings, IDS, lambda _: TenantSettings(default_model=tenant_default))
    request = GenerateRequest(
        id,
        caller,
        name,
        Sampling(),
        (Message("user", prompt),),
        output_format=OutputFormat("json_object") if is_structured else None,
    )

    def resolve() -> tuple[str | None, tuple[str, ...]]:
        context = admitted(plan, key_models, id, caller)
        facts = GenerationFacts(context, caller, request)
        try:
            return names.resolve(name, facts, context, IDS), context.resolved_models
        except (UnknownModel, InvalidRequest):
            return None, context.resolved_models

    model, told = resolve()

    assert resolve() == (model, told), "one request has one model"
    assert told == (() if model in (None, name) else (model,))
    if model is not None:
        assert model in IDS
        assert plan.allows_model(model)
        if key_models is not None:
            assert Plan(id="k", models=tuple(key_models)).allows_model(model)
    if name in IDS:
        assert model in (None, name), "a model's id never leads to another one"


@given(settings=configurations(), plan_models=st.none() | _patterns, id=st.uuids().map(str))
def test_every_listed_name_leads_to_one_of_its_models(
    settings: NameSettings | None, plan_models: list[str] | None, id: str
) -> None:
    plan = Plan(id="pro", models=None if plan_models is None else tuple(plan_models))
    names = ModelNames(settings, IDS)
    allows: Callable[[str], bool] = partial(_is_allowed, plan)
    resolver = NameResolver(settings or NameSettings(), IDS)

    for name, models in names.listed(allows).items():
        for facts in (
            GivenFacts(request_id=id),
            GivenFacts(id, modalities=frozenset(("tools",)), prompt_bytes=0, now=0.0),
        ):
            found = resolver.resolve(name, replace(facts, tenant="other"), allows)
            assert found is not None
            assert found.model in models
            assert plan.allows_model(found.model)


@given(weights=st.lists(st.integers(1, 20), min_size=2, max_size=4))
def test_shares_are_those_of_the_weights(weights: list[int]) -> None:
    """Of 10,000 ids each model gets its share within five standard deviations."""
    total, ids = sum(weights), 10_000
    spec = {"split": {"weights": dict(zip(IDS, weights, strict=False))}}
    resolver = NameResolver(NameSettings(NamesSpec.model_validate({"aliases": spec})), IDS)
    counts = dict.fromkeys(IDS, 0)
    for number in range(ids):
        found = resolver.resolve("split", GivenFacts(f"request-{number}"), lambda _: True)
        assert found is not None
        counts[found.model] += 1

    for model, weight in zip(IDS, weights, strict=False):
        share = weight / total
        deviation = (ids * share * (1 - share)) ** 0.5
        assert abs(counts[model] - ids * share) <= 5 * deviation


def _is_allowed(plan: Plan, model: str) -> bool:
    return model in IDS and plan.allows_model(model)


@pytest.mark.parametrize("name", ["default", ""])
def test_who_names_nobody_and_has_no_default_is_told_so(name: str) -> None:
    caller = Caller("acme", "key", frozenset())
    context = admitted(Plan(id="pro"), None, "r1", caller)
    facts = GenerationFacts(context, caller, GenerateRequest("r1", caller, name, Sampling()))

    with pytest.raises(InvalidRequest, match="Name a model"):
        ModelNames().resolve(name, facts, context, IDS)
