"""What admission reports of open requests and their tokens."""

import pytest

from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.generation import GenerateRequest, Sampling
from deployments.model.queueing.admission import Admission


def request() -> GenerateRequest:
    caller = Caller("t", "k", frozenset())
    return GenerateRequest("r", caller, "m", Sampling(), prompt="x", priority=Priority.STANDARD)


def test_tokens_of_open_requests_are_counted_until_they_leave() -> None:
    clock = ManualClock()
    admission = Admission(4, 9, 2.0, clock, cache_tokens=500)

    with admission.admit(request()) as place:
        place.charge_prompt_tokens(100)
        place.charge_output_tokens(20)
        assert (admission.report()["tokens"], admission.report()["tokens_capacity"]) == (120, 500)
        place.finish_choice()
    assert admission.report()["tokens"] == 0


def test_a_request_that_is_given_up_leaves_no_tokens_and_no_latency() -> None:
    admission = Admission(4, 9, 2.0, ManualClock())
    with admission.admit(request()) as place:
        place.charge_prompt_tokens(100)

    report = admission.report()
    assert (report["tokens"], report["total_p50_s"]) == (0, 0.0)
    assert report["arrivals_per_s"] > 0


def test_only_streams_have_a_time_to_the_first_token() -> None:
    clock = ManualClock()
    admission = Admission(4, 9, 2.0, clock)

    def answer(streams: bool) -> dict[str, float]:
        with admission.admit(request()) as place:
            if streams:
                place.streams = True
            clock.advance(1.0)
            place.charge_output_tokens(5)
            clock.advance(1.0)
            place.charge_output_tokens(5)
            place.finish_choice()
        return admission.report()

    assert answer(streams=False)["ttft_p50_s"] == 0.0
    report = answer(streams=True)
    assert report["ttft_p50_s"] == pytest.approx(1.0, rel=0.1)
    assert report["total_p50_s"] == pytest.approx(2.0, rel=0.1)
