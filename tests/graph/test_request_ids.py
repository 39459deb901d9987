"""Calls of handles carry the id of the request that they are made for."""

from ray.serve import context
from ray.serve._private.default_impl import get_request_metadata
from ray.serve._private.handle_options import DynamicHandleOptions, InitHandleOptions

from deployments.ingress.served_application import set_request_id_of_calls


def test_a_call_carries_the_request_id_of_its_task() -> None:
    set_request_id_of_calls("req_of_this_task")
    try:
        found = get_request_metadata(InitHandleOptions.create(), DynamicHandleOptions())
    finally:
        context._unset_request_context()

    assert found.request_id == "req_of_this_task"
    assert found.internal_request_id
