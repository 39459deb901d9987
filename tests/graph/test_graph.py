"""The whole graph in Serve's local testing mode: wiring, names, error types; no cluster."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.problems import InvalidRequest, Malformed, Unauthenticated, UnknownModel
from cluster.runtime.settings import Settings
from graphs.app import build
from graphs.args import AppArgs

ARGS = {
    "models": [{"id": "echo", "engine": "echo"}, {"id": "other/echo", "engine": "echo"}],
    "content": {"default": "other/echo", "providers": {"house": "echo"}},
    "video": {"enabled": False},  # pieces of video jobs are Ray tasks
    "text": {"enabled": False},
}
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOBULA_HOME", str(home))
        key = bootstrap(home, Settings())
        assert key is not None
        yield key


@pytest.fixture(scope="module")
def handle(key: str) -> DeploymentHandle:
    return serve.run(build(AppArgs.model_validate(ARGS)), _local_testing_mode=True)


async def test_a_call_meets_the_model_that_it_names(handle: DeploymentHandle, key: str) -> None:
    for model in ("echo", "other/echo"):
        body = orjson.dumps({**HELLO, "model": model})
        answer = await handle.call.remote(key, "chat", body, 10.0)

        assert answer["choices"][0]["message"]["content"] == "hello there"
        assert answer["model"] == model


async def test_a_stream_crosses_both_hops(handle: DeploymentHandle, key: str) -> None:
    streaming = handle.options(stream=True)
    events = [e async for e in streaming.stream.remote(key, "chat", orjson.dumps(HELLO), 10.0)]

    text = "".join(event["choices"][0]["delta"].get("content", "") for _, event in events)
    assert text == "hello there"


async def test_calls_of_tools_cross_both_hops(handle: DeploymentHandle, key: str) -> None:
    call = '{"name":"clock","arguments":{"zone":"CET"}}'
    body = orjson.dumps(
        {
            "model": "echo",
            "messages": [{"role": "user", "content": call}],
            "tools": [{"type": "function", "function": {"name": "clock"}}],
        }
    )

    [choice] = (await handle.call.remote(key, "chat", body, 10.0))["choices"]
    streaming = handle.options(stream=True)
    events = [e async for e in streaming.stream.remote(key, "chat", body, 10.0)]

    [made] = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], made["function"]["name"]) == ("tool_calls", "clock")
    deltas = [event["choices"][0]["delta"] for _, event in events]
    [streamed] = [made for delta in deltas for made in delta.get("tool_calls", ())]
    assert streamed == {"index": 0, **made}


async def test_content_goes_to_the_default_provider_or_the_named_one(
    handle: DeploymentHandle, key: str
) -> None:
    for named, model in ((None, "other/echo"), ("house", "echo")):
        body = {"topic": "a quiet tea house"} | ({"model": named} if named else {})
        answer = await handle.call.remote(key, "captions", orjson.dumps(body), 10.0)

        assert answer["model"] == model


async def test_refusals_keep_their_types(handle: DeploymentHandle, key: str) -> None:
    async def refused(kind: type[Exception], *args: object) -> None:
        assert isinstance(await handle.call.remote(*args), kind)

    body = orjson.dumps(HELLO)
    await refused(Unauthenticated, "mob_forged", "chat", body, 10.0)
    await refused(InvalidRequest, key, "no-such-operation", body, 10.0)
    await refused(Malformed, key, "chat", b"{", 10.0)
    await refused(UnknownModel, key, "chat", orjson.dumps({**HELLO, "model": "gpt"}), 10.0)
