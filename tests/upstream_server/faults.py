"""Every fault by its name, and what callers of a model are to see of it.

In: nothing. Out: rows: what the upstream does, and the outcomes that are right, whole and streamed.
An outcome is a Problem's class, or what the answer holds: `ANSWER` the right one, `ESTIMATED` the
right one with estimated usage, `OTHER` another one that is well-formed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cluster.resilience.failure_class import UpstreamFailed, UpstreamRefused
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, Overloaded
from tests.upstream_server import content_faults as content
from tests.upstream_server import transport_faults as transport
from tests.upstream_server.answers import UpstreamAnswer
from tests.upstream_server.exchange import answer_rightly
from tests.upstream_server.transport_faults import Respond

ANSWER: Final = "answer"
ESTIMATED: Final = "estimated"
OTHER: Final = "other"
Outcome = type[Exception] | str

FAILED = (UpstreamFailed,)
BUSY = (Overloaded,)
LATE = (UpstreamFailed, DeadlineExceeded)
REPORTED = (*FAILED, *BUSY)
GOOD = (ANSWER,)
GUESSED = (ESTIMATED,)
FAILED_OR_GOOD = (UpstreamFailed, ANSWER)
ANY = (UpstreamFailed, ANSWER, ESTIMATED, OTHER)
HUGE = 10**18


@dataclass(frozen=True, slots=True)
class UpstreamFault:
    """`whole` and `stream` are the outcomes that are right; empty: the fault has no such form.
    `fields` are those of the request. `is_big`: memory is looked at.
    """

    respond: Respond
    whole: tuple[Outcome, ...] = FAILED
    stream: tuple[Outcome, ...] = FAILED
    engines: tuple[str, ...] = ("openai", "anthropic")
    fields: Mapping[str, Any] | None = None
    is_big: bool = False

    def outcomes(self, *, streamed: bool) -> tuple[Outcome, ...]:
        """Those that are right."""
        return self.stream if streamed else self.whole


def _last_first(rows: list[Any]) -> list[Any]:
    return rows[::-1]


def _twice(rows: list[Any]) -> list[Any]:
    return [*rows, *rows]


def _none(rows: list[Any]) -> None:
    return None


def _no_row(rows: list[Any]) -> list[Any]:
    return []


def _numbers(rows: list[Any]) -> list[Any]:
    return [1 for _ in rows]


OPENAI = ("openai",)
TWO = {"n": 2}
FAULTS: dict[str, UpstreamFault] = {
    "none": UpstreamFault(answer_rightly, GOOD, GOOD),
    # The connection.
    "dies before the head": UpstreamFault(transport.dies_before_head),
    "closes before the head": UpstreamFault(transport.closes_before_head),
    "dies within the head": UpstreamFault(transport.dies_within_head),
    "dies within the body": UpstreamFault(transport.dies_within_body),
    "closes within the body": UpstreamFault(transport.closes_within_body),
    "hangs before the head": UpstreamFault(transport.hangs_before_head, LATE, LATE),
    "hangs after the head": UpstreamFault(transport.hangs_after_head, LATE, LATE),
    "hangs within the body": UpstreamFault(transport.hangs_within_body, LATE, LATE),
    "a byte a second of the head": UpstreamFault(transport.drips_head, LATE, LATE),
    "a byte a second of the body": UpstreamFault(transport.drips_body, LATE, LATE),
    # HTTP.
    "head without an end": UpstreamFault(transport.sends_endless_head, is_big=True),
    "header without an end": UpstreamFault(transport.sends_endless_line, is_big=True),
    "100,000 headers": UpstreamFault(transport.sends_many_headers, is_big=True),
    "interim responses without an end": UpstreamFault(transport.sends_endless_interim, is_big=True),
    "trailers without an end": UpstreamFault(
        transport.sends_endless_trailers, FAILED, FAILED_OR_GOOD, is_big=True
    ),
    "chunk extension without an end": UpstreamFault(
        transport.sends_endless_extension, LATE, LATE, is_big=True
    ),
    "NUL in a header": UpstreamFault(transport.sends_nul_in_head, FAILED_OR_GOOD, FAILED_OR_GOOD),
    "another protocol": UpstreamFault(transport.switches_protocols, LATE, LATE),
    "no HTTP": UpstreamFault(transport.sends_no_http),
    "body without an end": UpstreamFault(transport.sends_endless_body, LATE, LATE, is_big=True),
    "gzip bomb": UpstreamFault(transport.sends_gzip_bomb, is_big=True),
    "two lengths": UpstreamFault(transport.sends_two_lengths),
    "length and chunks": UpstreamFault(transport.sends_length_and_chunks),
    "length too long": UpstreamFault(transport.says_too_long, FAILED, FAILED_OR_GOOD),
    "length too short": UpstreamFault(transport.says_too_short),
    "absurd length": UpstreamFault(transport.says_absurd_length, LATE, LATE),
    "negative length": UpstreamFault(transport.says_negative_length),
    "no chunk": UpstreamFault(transport.sends_bad_chunk),
    "10 MB in a chunk": UpstreamFault(transport.sends_big_chunk, GOOD, FAILED_OR_GOOD, is_big=True),
    "huge chunk": UpstreamFault(transport.says_huge_chunk, LATE, LATE),
    "two answers": UpstreamFault(transport.answers_twice, GOOD, GOOD),
    "redirect": UpstreamFault(transport.redirects),
    "redirect to the metadata service": UpstreamFault(transport.redirects_to_metadata),
    "empty body": UpstreamFault(transport.sends_empty_body),
    "no content": UpstreamFault(transport.sends_no_content),
    "body until the connection ends": UpstreamFault(transport.answers_and_closes, GOOD, GOOD),
    # Errors of the API.
    "400": UpstreamFault(content.status(400), (InvalidRequest,), (InvalidRequest,)),
    "401": UpstreamFault(content.repeats_key(401), (UpstreamRefused,), (UpstreamRefused,)),
    "403": UpstreamFault(content.repeats_key(403), (UpstreamRefused,), (UpstreamRefused,)),
    "404": UpstreamFault(content.status(404), (UpstreamRefused,), (UpstreamRefused,)),
    "429": UpstreamFault(content.status(429, retry_after="60"), BUSY, BUSY),
    "429 for a nanosecond": UpstreamFault(content.status(429, retry_after="-1"), BUSY, BUSY),
    "429 for ever": UpstreamFault(content.status(429, retry_after="9" * 40), BUSY, BUSY),
    "429 in words": UpstreamFault(content.status(429, retry_after="soon"), BUSY, BUSY),
    "500": UpstreamFault(content.status(500)),
    "502 in HTML": UpstreamFault(content.fails_in_html),
    "503": UpstreamFault(content.status(503, retry_after="60"), BUSY, BUSY),
    "529": UpstreamFault(content.status(529, retry_after="60"), BUSY, BUSY),
    "599": UpstreamFault(content.status(599)),
    "error with 200": UpstreamFault(content.sends_error_with_200, REPORTED, REPORTED),
    "error as the first event": UpstreamFault(content.sends_error_event_first, (), REPORTED),
    "error as a later event": UpstreamFault(content.sends_error_event_later, (), REPORTED),
    # What is said.
    "HTML": UpstreamFault(content.sends_html),
    "other kind of answer": UpstreamFault(content.sends_other_kind),
    "no JSON": UpstreamFault(content.text(b'{"choices": [')),
    "end at once": UpstreamFault(content.text(b"[DONE]")),
    "JSON null": UpstreamFault(content.text(b"null")),
    "JSON list": UpstreamFault(content.text(b"[1, 2]")),
    "JSON of other things": UpstreamFault(content.text(b'{"a": 1}')),
    "100,000 levels": UpstreamFault(content.text(b"[" * 100_000 + b"]" * 100_000), is_big=True),
    "invalid UTF-8": UpstreamFault(content.text(b'{"choices": "\xff\xfe"}')),
    "lone surrogate": UpstreamFault(content.text(rb'{"choices": "\ud800", "content": "\ud800"}')),
    "cut event": UpstreamFault(content.cuts_event),
    "stream without its end": UpstreamFault(content.ends_without_end, ()),
    "a byte in each chunk": UpstreamFault(content.splits_every_byte, GOOD, GOOD),
    "stream without an end": UpstreamFault(content.streams_for_ever, (), LATE, is_big=True),
    "empty events without an end": UpstreamFault(content.streams_nothing_for_ever, (), LATE),
    "comments without an end": UpstreamFault(
        transport.sends_endless_comments, LATE, LATE, is_big=True
    ),
    "event without an end": UpstreamFault(transport.sends_endless_event, is_big=True),
    "10 MB of text": UpstreamFault(
        content.sends_big_text, (UpstreamFailed, OTHER, ESTIMATED), is_big=True
    ),
    "no usage": UpstreamFault(content.says_no_usage, GUESSED, GUESSED),
    "usage null": UpstreamFault(content.says_usage(None), GUESSED, GUESSED),
    "negative usage": UpstreamFault(content.says_usage(-5), GUESSED, GUESSED),
    "absurd usage": UpstreamFault(content.says_usage(HUGE), GUESSED, GUESSED),
    "usage in words": UpstreamFault(content.says_usage("many"), GUESSED, GUESSED),
    "usage of fractions": UpstreamFault(content.says_usage(1.5), GUESSED, GUESSED),
    "other model": UpstreamFault(content.says_model("other"), GOOD, GOOD),
    "model is a number": UpstreamFault(content.says_model(5), GOOD, GOOD),
    "unknown finish": UpstreamFault(content.says_finish("of next year"), GOOD, GOOD),
    "finish is a number": UpstreamFault(content.says_finish(5), ANY, ANY),
    "finish is missing": UpstreamFault(content.says_finish(None), ANY),
    "text is a number": UpstreamFault(content.changes_text(5), ANY, ANY),
    "text is null": UpstreamFault(content.changes_text(None), (OTHER, ESTIMATED), ANY),
    "text is an object": UpstreamFault(content.changes_text({"a": 1}), ANY, ANY),
    "choices are null": UpstreamFault(content.changes_choices(_none), FAILED, FAILED_OR_GOOD),
    "no choices": UpstreamFault(content.changes_choices(_no_row), ANY, ANY),
    "choices are numbers": UpstreamFault(content.changes_choices(_numbers), ANY, ANY),
    "choices out of order": UpstreamFault(
        content.changes_choices(_last_first), GOOD, GOOD, OPENAI, TWO
    ),
    "choices twice": UpstreamFault(content.changes_choices(_twice), FAILED, ANY, OPENAI, TWO),
    "index of a choice that was not asked for": UpstreamFault(
        content.changes_index(10**9), engines=OPENAI
    ),
    "negative index": UpstreamFault(content.changes_index(-1), engines=OPENAI),
    "index is a word": UpstreamFault(content.changes_index("a"), engines=OPENAI),
    "blocks out of place": UpstreamFault(content.changes_index("a"), GOOD, ANY, ("anthropic",)),
    "events backwards": UpstreamFault(content.sends_events_backwards, (), ANY),
    "broken arguments": UpstreamFault(content.calls_tool('{"city": '), (OTHER,), (OTHER,)),
    "arguments are a number": UpstreamFault(content.calls_tool("5"), (OTHER,), (OTHER,)),
    "names in every piece": UpstreamFault(content.repeats_names, (), (OTHER,), OPENAI),
    "call without a name": UpstreamFault(content.calls_tool_named(None), FAILED, ANY),
    "call at a negative place": UpstreamFault(content.calls_tool_at(-1), (OTHER,), ANY),
    "call at a far place": UpstreamFault(content.calls_tool_at(10**9), (OTHER,), ANY),
    "empty text": UpstreamFault(
        content.answers(UpstreamAnswer("", output_tokens=0)), (OTHER, ESTIMATED), (OTHER, ESTIMATED)
    ),
}
