"""Credentials to callers: the one place where a request becomes somebody's."""

from starlette.requests import Request

from cluster.runtime.clock import Deadline
from cluster.runtime.logging import log_request
from cluster.runtime.problems import InvalidRequest, Unauthenticated
from cluster.tenants.caller import Caller, Priority
from cluster.tenants.plan import Plan, RequestClass
from deployments.contracts.cache import NO_DIRECTIVES, Directives
from deployments.ingress.context import RequestContext
from deployments.ingress.http.cache_headers import parse_directives
from deployments.ingress.services import AppServices

PRIORITY = "mobula-priority"


def authenticate(
    services: AppServices, request: Request, request_class: RequestClass = RequestClass.READ
) -> RequestContext:
    """Authenticate and start a call. Raises Unauthenticated, InvalidRequest that names a header."""
    state, caller = request.scope["state"], verify_credentials(services, request)
    deadline: Deadline = state["deadline"]
    asked = request.headers.get(PRIORITY)
    wishes = parse_directives(request.scope["headers"])
    return _call(services, state["request_id"], caller, deadline, request_class, asked, wishes)


def verify_credentials(services: AppServices, request: Request) -> Caller:
    """The caller whose credential the request presents. Raises Unauthenticated.

    It stays in the request's state, where whoever asks again finds it.
    """
    state = request.scope["state"]
    caller: Caller | None = state.get("caller")
    if caller is None:
        caller = state["caller"] = services.authenticator.verify(bearer(request))
    state["tenant"], state["key_id"] = caller.tenant, caller.key_id
    return caller


def context_from_handle(
    services: AppServices,
    caller: Caller,
    request_id: str,
    timeout_s: float,
    request_class: RequestClass,
    priority: str | None = None,
) -> RequestContext:
    """The same for a verified caller that came through a Python handle."""
    limit = min(timeout_s, services.settings.max_timeout_s)
    deadline = Deadline.after(limit, services.clock)
    return _call(services, request_id, caller, deadline, request_class, priority)


def bearer(request: Request) -> str:
    """The key in `Authorization: Bearer ...`; raises Unauthenticated when there is none."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated("Send your API key as 'Authorization: Bearer mob_...'.")
    return credential.strip()


def _call(
    services: AppServices,
    request_id: str,
    caller: Caller,
    deadline: Deadline,
    request_class: RequestClass,
    asked: str | None,
    wishes: Directives = NO_DIRECTIVES,
) -> RequestContext:
    log_request(request_id, caller.tenant)
    plan = services.plan_of(caller.tenant)
    priority = _priority(plan, request_class, asked)
    return RequestContext(
        request_id, caller, deadline, int(services.clock.wall()), priority, wishes
    )


def _priority(plan: Plan, request_class: RequestClass, asked: str | None) -> Priority:
    """What the request asks for, else what is usual for its class; never above the plan's."""
    if asked is None:
        usual = Priority.BATCH if request_class is RequestClass.BATCH else Priority.STANDARD
        return usual if plan.allows_priority(usual) else plan.priority
    try:
        priority = Priority(asked)
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
