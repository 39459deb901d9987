"""Request headers that Ray Serve reads itself, before any of our code.

`STEERING` let a client change how Serve treats its request; they are never passed on. `DECODED`
are harmless, but Serve decodes them as UTF-8 and answers 500 where that fails: what is not visible
ASCII is removed. Serve takes `-` and `_` in a name for the same. Taken from
Ray 2.60.0: serve/_private/replica.py (`_direct_ingress_asgi`, `get_asgi_tracing_context`),
proxy.py (`setup_request_context_and_handle`) and http_util.py.
"""

STEERING = frozenset(
    {
        "x-request-timeout-seconds",
        "x-request-disconnect-disabled",
        "serve-multiplexed-model-id",
    }
)
DECODED = frozenset({"x-request-id", "x-session-id", "traceparent", "tracestate"})

# An id that a client may give its request, and that logs and answers repeat.
REQUEST_ID = r"[A-Za-z0-9._-]{8,64}"
