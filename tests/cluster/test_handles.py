"""Python handles: the same path, the same key, from a driver and from another process."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.client import AsyncMobula, Mobula
from cluster.runtime.problems import (
    InvalidRequest,
    Malformed,
    Problem,
    PromptTooLong,
    Unauthenticated,
    UnknownModel,
)
from cluster.runtime.settings import ROOT, process_environment
from load_tests.benchmarks.common.local_serve import LocalServe


@pytest.fixture
def mobula(cluster: LocalServe) -> Mobula:
    return Mobula(api_key=cluster.key)


def test_chat_answers_and_streams_the_same_text(mobula: Mobula) -> None:
    whole = mobula.chat("Write an Instagram caption about a park", seed=3, max_tokens=40)
    pieces = list(
        mobula.stream_chat("Write an Instagram caption about a park", seed=3, max_tokens=40)
    )

    assert whole.text == "".join(pieces)
    assert whole.raw["usage"]["completion_tokens"] > 0


def test_captions_come_ranked_and_streamed(mobula: Mobula) -> None:
    answer = mobula.caption("a rooftop garden", variants=2, seed=1)
    events = [name for name, _ in mobula.stream_caption("a rooftop garden", variants=2, seed=1)]

    assert "rooftop garden" in answer.best.lower()
    assert (events[0], events[-1]) == ("started", "completed")


def test_a_batch_keeps_its_order_and_its_failures(mobula: Mobula) -> None:
    results = mobula.caption_batch([{"topic": "tea"}, {"topic": "tea", "platform": "myspace"}])

    assert [result["status"] for result in results] == ["ok", "failed"]


@pytest.mark.parametrize(
    ("key", "kind"), [("", Unauthenticated), ("mob_forged_key", Unauthenticated)]
)
def test_a_forged_or_missing_key_is_refused(
    cluster: LocalServe, key: str, kind: type[Problem]
) -> None:
    with pytest.raises(kind):
        Mobula(api_key=key).chat("hello")


def test_failures_are_the_same_problems_as_over_http(mobula: Mobula) -> None:
    with pytest.raises(UnknownModel):
        mobula.chat("hello", model="gpt-9")
    with pytest.raises(PromptTooLong):
        mobula.chat("word " * 20_000)
    with pytest.raises(Malformed) as malformed:
        mobula.chat("hello", n=99)
    assert malformed.value.param == "n"
    with pytest.raises(InvalidRequest):
        mobula.caption("tea", platform="myspace")
    with pytest.raises(UnknownModel):
        list(mobula.stream_chat("hello", model="gpt-9"))


async def test_the_async_client_does_the_same(cluster: LocalServe) -> None:
    mobula = AsyncMobula(api_key=cluster.key)

    answer = await mobula.chat("hello there", model="echo")
    pieces = [piece async for piece in mobula.stream_chat("hello there", model="echo")]

    assert answer.text == "".join(pieces) == "hello there"


def test_another_ray_process_calls_with_the_same_key(cluster: LocalServe) -> None:
    import ray

    @ray.remote(num_cpus=0)
    def job(key: str) -> str:
        from cluster.client import Mobula

        return Mobula(api_key=key).chat("hello there", model="echo").text

    assert ray.get(job.remote(cluster.key)) == "hello there"


DRIVER = """
import sys
from cluster.client import Mobula
print(Mobula(api_key=sys.argv[1]).chat("hello there", model="echo").text)
"""


def test_a_driver_calls_from_any_working_directory(cluster: LocalServe, tmp_path: Path) -> None:
    import ray

    (tmp_path / "driver.py").write_text(DRIVER)
    address = ray.get_runtime_context().gcs_address
    done = subprocess.run(
        [sys.executable, "driver.py", cluster.key],
        cwd=tmp_path,
        env=process_environment({"RAY_ADDRESS": address, "PYTHONPATH": str(ROOT)}),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "hello there"
