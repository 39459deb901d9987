"""The prompt at the beginning of an answer: its text, its tokens, and what it never costs."""

import pytest

from cluster.tenants.caller import Caller
from deployments.contracts.engine import Tokens
from deployments.contracts.generation import GenerateRequest, Sampling
from deployments.model.text.prompt_echo import EchoingDecoder, PromptEcho
from deployments.model.text.tokenizer import ByteTokenizer

TOKENIZER = ByteTokenizer()
FIRST = Tokens((65,), None, (-1.0,), (), (None, -2.0))


def decoder(sampling: Sampling, prompt: str | None = "Hi") -> EchoingDecoder:
    ids = tuple(b"Hi")
    request = GenerateRequest(
        "r",
        Caller("acme", "k", frozenset()),
        "m",
        sampling,
        prompt=prompt,
        prompt_ids=() if prompt else ids,
        echo=True,
    )
    return EchoingDecoder(PromptEcho(request, ids, TOKENIZER), TOKENIZER, sampling.stop)


def test_the_first_delta_begins_with_the_prompt_and_no_other_does() -> None:
    decode = decoder(Sampling(logprobs=0))

    first, second = decode.add(FIRST), decode.add(Tokens((66,), "stop", (-1.0,)))

    assert (first.text, second.text, second.finish_reason) == ("HiA", "B", "stop")
    assert [entry.logprob for entry in first.logprobs or ()] == [None, -2.0, -1.0]
    assert decode.tokens == 2


def test_a_prompt_of_token_ids_comes_back_as_their_text() -> None:
    assert decoder(Sampling(), prompt=None).add(Tokens((65,), "stop")).text == "HiA"


def test_a_stop_string_in_the_prompt_ends_nothing() -> None:
    assert decoder(Sampling(stop=("Hi",))).add(Tokens((65,), "stop")).text == "HiA"


@pytest.mark.parametrize(("max_tokens", "counted"), [(5, 1), (0, 0)])
def test_who_leaves_before_the_first_delta_pays_what_was_generated(
    max_tokens: int, counted: int
) -> None:
    decode = decoder(Sampling(max_tokens=max_tokens, logprobs=0))

    decode.count(Tokens((65,)))

    assert decode.tokens == counted
