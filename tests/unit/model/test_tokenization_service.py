"""A model's tokenizer for callers, over nano's and over echo's bytes."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from cluster.tenants.caller import Caller, Scope
from deployments.contracts.generation import Message, Tool, ToolCall, ToolSettings
from deployments.contracts.tokenization import DetokenizeRequest, TokenizeRequest
from deployments.model.model_files import NANO
from deployments.model.text.hf_tokenizer import TextTokenizer
from deployments.model.text.tokenization import TokenizationService
from deployments.model.text.tokenizer import ByteTokenizer, Tokenizer, encode_messages

CALLER = Caller("acme", "key", frozenset({Scope.GENERATE}))


def request(prompt: str | None = None, **more: object) -> TokenizeRequest:
    return TokenizeRequest("r", CALLER, "m", prompt, **more)  # type: ignore[arg-type]


@pytest.fixture(params=[TextTokenizer(NANO), ByteTokenizer()], ids=["nano", "bytes"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    found: Tokenizer = request.param
    return found


@pytest.fixture
async def service(tokenizer: Tokenizer) -> AsyncIterator[TokenizationService]:
    service = TokenizationService(tokenizer, "m", 64, partial(encode_messages, tokenizer, "m"))
    yield service
    service.close()


async def test_a_text_becomes_ids_and_the_same_text(service: TokenizationService) -> None:
    found = await service.tokenize(request("Coffee ☕ time", special=False))
    back = await service.detokenize(DetokenizeRequest("r", CALLER, "m", found.ids))

    assert back.text == "Coffee ☕ time"
    assert (found.limit, found.names) == (64, ())


async def test_names_are_given_where_they_are_asked_for(service: TokenizationService) -> None:
    found = await service.tokenize(request("Coffee", named=True))

    assert len(found.names) == len(found.ids)


async def test_a_chat_has_the_ids_of_the_models_own_prompt(
    service: TokenizationService, tokenizer: Tokenizer
) -> None:
    chat = (Message("user", "hello"),)

    assert (await service.tokenize(request(messages=chat))).ids == tuple(
        tokenizer.encode_chat(chat)
    )


async def test_a_chat_with_tools_has_the_ids_of_the_prompt_with_the_tools(
    service: TokenizationService, tokenizer: Tokenizer
) -> None:
    tools = ToolSettings((Tool("weather", "The weather.", '{"type":"object"}'),))
    call = (ToolCall("c1", "weather", "{}"),)
    begun = (Message("user", "hello"),)
    called = (*begun, Message("assistant", "", call), Message("tool", "rain", (), "c1"))

    for chat, settings in ((begun, tools), (called, tools), (called, None)):
        found = await service.tokenize(request(messages=chat, tool_settings=settings))
        assert found.ids == tuple(tokenizer.encode_tool_chat(chat, settings))


async def test_an_id_outside_the_vocabulary_is_named(
    service: TokenizationService, tokenizer: Tokenizer
) -> None:
    size = tokenizer.size
    with pytest.raises(
        InvalidRequest, match=rf"tokens\.1 is token {size}; .* has {size} tokens"
    ) as r:
        await service.detokenize(DetokenizeRequest("r", CALLER, "m", (0, size)))

    assert (r.value.param, r.value.extensions["limit"]) == ("tokens.1", size - 1)


async def test_a_model_without_chats_refuses_messages(tokenizer: Tokenizer) -> None:
    service = TokenizationService(tokenizer, "m", 64)
    with pytest.raises(UnsupportedParameter, match="no chats"):
        await service.tokenize(request(messages=(Message("user", "hello"),)))
    service.close()
