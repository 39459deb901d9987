"""Credentials to callers: the one place where a request becomes an authenticated request."""

from collections.abc import Callable

from starlette.requests import Request

from cluster.runtime.clock import Deadline
from cluster.runtime.logging import logged_request
from cluster.runtime.problems import InvalidRequest, Unauthenticated
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import GatedFeature, Plan, RequestClass
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.ingress.context import (
    STATE_KEY,
    ModelWaitTimer,
    RequestContext,
    RequestState,
    request_state,
)
from deployments.ingress.http.cache_headers import DIRECTIVE_HEADERS, parse_directives
from deployments.ingress.http.problems import is_openai_route
from deployments.ingress.http.usage_tags import TAGS_FIELD, header_tags
from deployments.ingress.services import AppServices

PRIORITY = b"mobula-priority"


def authenticate(
    services: AppServices, request: Request, request_class: RequestClass = RequestClass.READ
) -> RequestContext:
    """Authenticate an HTTP request. Raises Unauthenticated, InvalidRequest naming a header."""
    state: RequestState = request.scope[STATE_KEY]
    caller = state.caller or verify_credentials(services, request)
    headers = request.scope["headers"]
    requested_priority, directives = None, NO_DIRECTIVES
    tags: tuple[str, ...] = ()
    for name, value in headers:
        if name == PRIORITY and requested_priority is None:
            requested_priority = value.decode("latin-1")
        elif name in DIRECTIVE_HEADERS and directives is NO_DIRECTIVES:
            directives = parse_directives(headers)
        elif name == TAGS_FIELD and not tags:
            tags = header_tags(headers)
    assert state.deadline is not None, "a layer outside sets it"
    assert state.timer is not None, "a layer outside sets it"
    logged_request.set((state.request_id, caller.tenant))
    plan = state.plan or services.plan_of(caller.tenant)
    priority = plan.default_priorities[request_class]
    if requested_priority is not None:
        priority = _parse_priority(requested_priority, plan)
    state.context = RequestContext(
        state.request_id,
        caller,
        plan,
        state.deadline,
        int(services.clock.wall()),
        priority,
        directives,
        state.timer,
        policies=services.policies.get(caller.key_id),
        tags=tags,
        excludes_model=excluded_models(services, plan),
    )
    state.timer.authenticated_at = services.clock.monotonic()
    return state.context


def verify_credentials(services: AppServices, request: Request) -> Caller:
    """The caller whose credential the request presents. Raises Unauthenticated.

    The caller is kept in the request's state, so that a credential is verified once.
    """
    state = request_state(request.scope)
    if state.caller is None:
        state.caller = services.authenticator.verify(bearer_token(request))
    return state.caller


def authenticate_handle_call(
    services: AppServices,
    caller: Caller,
    request_id: str,
    timeout_s: float,
    request_class: RequestClass,
    priority: str | None = None,
) -> RequestContext:
    """The context of a request that came by a Python handle; `caller` is verified."""
    clock, plan = services.clock, services.plan_of(caller.tenant)
    logged_request.set((request_id, caller.tenant))
    return RequestContext(
        request_id,
        caller,
        plan,
        Deadline.after(min(timeout_s, services.settings.max_timeout_s), clock),
        int(clock.wall()),
        plan.default_priorities[request_class]
        if priority is None
        else _parse_priority(priority, plan),
        NO_DIRECTIVES,
        ModelWaitTimer(clock),
        policies=services.policies.get(caller.key_id),
        excludes_model=excluded_models(services, plan),
    )


def excluded_models(services: AppServices, plan: Plan) -> Callable[[str], bool] | None:
    """Says which models a plan leaves out as a whole: those of providers; None: none."""
    if plan.allowed_features is None or plan.allows_feature(GatedFeature.PROVIDERS):
        return None
    return services.models.is_external


def bearer_token(request: Request) -> str:
    """The token in `Authorization: Bearer ...`; without that header, on OpenAI's and Anthropic's
    routes, that in `x-api-key` or `api-key`. Raises Unauthenticated if there is none.
    """
    headers = request.headers
    authorization = headers.get("authorization")
    if authorization is None and is_openai_route(request.scope["path"]):
        key = headers.get("x-api-key") or headers.get("api-key")
        if key:
            return key.strip()
    scheme, _, credential = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated("Send your API key as 'Authorization: Bearer mob_...'.")
    return credential.strip()


def _parse_priority(value: str, plan: Plan) -> Priority:
    """Raises InvalidRequest for an unknown priority and for one above the plan's."""
    try:
        priority = Priority(value)
    except ValueError:
        raise InvalidRequest(
            f"Priority must be one of {', '.join(Priority)}.", param="Mobula-Priority"
        ) from None
    if not plan.allows_priority(priority):
        raise InvalidRequest(
            f"Plan '{plan.id}' allows no priority above '{plan.priority}'.",
            param="Mobula-Priority",
            limit=str(plan.priority),
        )
    return priority
