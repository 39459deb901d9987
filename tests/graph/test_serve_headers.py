"""The headers that the pinned Ray Serve reads are those that we keep from it."""

from ray.serve._private import constants

from cluster.ops.serve_headers import DECODED, STEERING


def test_every_header_that_serve_reads_is_known() -> None:
    steering = {
        constants.SERVE_HTTP_REQUEST_TIMEOUT_S_HEADER,
        constants.SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER,
        constants.SERVE_MULTIPLEXED_MODEL_ID.replace("_", "-"),
    }
    decoded = {constants.SERVE_HTTP_REQUEST_ID_HEADER, constants.SERVE_SESSION_ID}
    assert steering == STEERING
    assert decoded | {"traceparent", "tracestate"} == DECODED
    readable = {name for name in vars(constants) if name.endswith(("_HEADER", "_HEADER_KEY"))}
    assert readable == {
        "SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER",
        "SERVE_HTTP_REQUEST_ID_HEADER",
        "SERVE_HTTP_REQUEST_TIMEOUT_S_HEADER",
    }
