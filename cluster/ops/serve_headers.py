"""Request headers that Ray Serve evaluates before our code.

`STEERING` headers let a client control Serve's treatment of the request; they are always removed.
`DECODED` headers are harmless, but Serve decodes them as UTF-8 and returns 500 on failure: values
other than visible ASCII are removed. Serve treats `-` and `_` in a name alike. Source:
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

# Format of a request id that a client may set; logs and responses repeat it.
REQUEST_ID = r"[A-Za-z0-9._-]{8,64}"
