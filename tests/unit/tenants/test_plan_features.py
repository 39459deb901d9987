"""What a plan leaves out is refused for writing; what is there already can be read."""

import pytest
from pydantic import ValidationError

from cluster.runtime.clock import Deadline, ManualClock
from cluster.runtime.problems import Forbidden
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import GatedFeature, Plan
from cluster.tenants.repository import _document
from cluster.tenants.units import CostWeights, UsageAmounts
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.ingress.context import ModelWaitTimer, RequestContext


def context(plan: Plan) -> RequestContext:
    clock = ManualClock()
    caller = Caller("acme", "key", frozenset(Scope) - {Scope.ADMIN})
    deadline = Deadline.after(9.0, clock)
    timer = ModelWaitTimer(clock)
    return RequestContext("r", caller, plan, deadline, 0, Priority.STANDARD, NO_DIRECTIVES, timer)


def test_a_plan_that_names_no_features_allows_all() -> None:
    request = context(Plan(id="wide"))

    for scope in (Scope.MEDIA_WRITE, Scope.LIBRARY_WRITE, Scope.ANALYTICS_WRITE):
        request.require(scope)
    request.require_feature(GatedFeature.TEXT)


def test_what_a_plan_leaves_out_can_be_read_and_not_written() -> None:
    request = context(Plan.model_validate({"id": "words", "allowed_features": ["text", "library"]}))

    for scope in (Scope.MEDIA_READ, Scope.GENERATE, Scope.LIBRARY_WRITE, Scope.LIBRARY_APPROVE):
        request.require(scope)
    request.require_feature(GatedFeature.TEXT)
    for scope, feature in (
        (Scope.MEDIA_WRITE, "video"),
        (Scope.ANALYTICS_WRITE, "analytics"),
        (Scope.DOCUMENTS_WRITE, "documents"),
        (Scope.SEARCH_WRITE, "search"),
    ):
        with pytest.raises(Forbidden) as refused:
            request.require(scope)
        assert refused.value.extensions["feature"] == feature


@pytest.mark.parametrize(
    ("scope", "feature"),
    [
        (None, "text"),
        (Scope.GENERATE, "text"),
        (Scope.SEARCH_READ, "search"),
        (Scope.DOCUMENTS_READ, "documents"),
    ],
)
def test_an_analysis_needs_the_feature_of_what_it_analyses(
    scope: Scope | None, feature: str
) -> None:
    others = [each for each in GatedFeature if each != feature]
    without = context(Plan.model_validate({"id": "p", "allowed_features": others}))

    context(Plan.model_validate({"id": "p", "allowed_features": [feature]})).require_analysis(scope)
    with pytest.raises(Forbidden) as refused:
        without.require_analysis(scope)
    assert refused.value.extensions["feature"] == feature


def test_what_a_plan_leaves_out_is_stored_also_where_it_leaves_out_everything() -> None:
    for allowed in (None, frozenset[GatedFeature](), frozenset({GatedFeature.VIDEO})):
        document = _document(Plan(id="p", allowed_features=allowed))
        assert Plan.model_validate(document).allowed_features == allowed
        assert ("allowed_features" in document) == (allowed is not None)


def test_an_unknown_feature_is_refused_by_its_place() -> None:
    with pytest.raises(ValidationError, match="allowed_features"):
        Plan.model_validate({"id": "p", "allowed_features": ["video", "smell"]})


def test_pages_cost_as_the_plan_weighs_them() -> None:
    weighs = Plan.model_validate({"id": "p", "cost_weights": {"pages": 3}})

    assert CostWeights().cost(UsageAmounts(pages=7)) == 7 * CostWeights().pages
    assert weighs.weights.cost(UsageAmounts(pages=7)) == 21
    assert (UsageAmounts(pages=2) + UsageAmounts(pages=3)).pages == 5


def test_characters_cost_as_the_plan_weighs_them() -> None:
    weighs = Plan.model_validate({"id": "p", "cost_weights": {"characters": 3}})

    assert CostWeights().cost(UsageAmounts(characters=230)) == 230
    assert weighs.weights.cost(UsageAmounts(characters=230)) == 690
    assert (UsageAmounts(characters=2) + UsageAmounts(characters=3)).characters == 5
