"""Specs, files, conversion, admission, rates, lag, and the replica that joins them."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from cluster.runtime.clock import ManualClock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.merge import merge
from cluster.tenants.caller import Caller
from deployments.contracts.generation import GenerateRequest, Sampling
from deployments.model import export
from deployments.model.deployment import ModelReplica
from deployments.model.export import ExportFailed, export_openvino
from deployments.model.load_stats import Throughput
from deployments.model.loading import build_engine, load_text_model
from deployments.model.model_files import NANO, find_model
from deployments.model.spec import ModelSpec


@pytest.mark.parametrize("bad", [{"id": " x"}, {"id": "x", "sauce": 1}, {"id": "x", "threads": 0}])
def test_a_spec_refuses_what_it_does_not_know(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModelSpec.model_validate(bad)


def test_the_shipped_model_is_found() -> None:
    files = find_model(ModelSpec(id="nano"))

    assert files.folder == NANO
    assert files.ir == NANO / "openvino"
    assert files.parameters is not None
    assert 1_000_000 < files.parameters < 20_000_000
    assert files.context_length >= 512


def test_the_revision_follows_the_weights(tmp_path: Path) -> None:
    shutil.copytree(NANO, tmp_path / "copy")
    spec = ModelSpec(id="m", source=str(tmp_path / "copy"))
    before = find_model(spec).revision

    weights = tmp_path / "copy" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    assert before == find_model(ModelSpec(id="m")).revision or (tmp_path / "copy").name == "copy"
    assert find_model(spec).revision != before


def test_an_openvino_folder_is_a_model_of_its_own() -> None:
    files = find_model(ModelSpec(id="m", source=str(NANO / "openvino")))

    assert files.folder == files.ir == NANO / "openvino"
    assert files.parameters is None


@pytest.mark.parametrize("source", ["./missing", "/nowhere/at/all"])
def test_a_missing_folder_is_named(source: str) -> None:
    with pytest.raises(FileNotFoundError, match=source):
        find_model(ModelSpec(id="m", source=source))


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(FileNotFoundError, match="no weights"):
        find_model(ModelSpec(id="m", source=str(tmp_path)))


def test_a_model_without_ir_is_converted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    shutil.copytree(NANO, source, ignore=shutil.ignore_patterns("openvino"))
    commands: list[list[str]] = []

    def run(command: list[str]) -> None:
        commands.append(list(command))
        Path(command[-1]).mkdir()
        (Path(command[-1]) / "openvino_model.xml").touch()

    monkeypatch.setattr(export, "ensure_exporter", lambda folder: folder / "bin" / "optimum-cli")
    monkeypatch.setattr(export, "_run", run)
    spec = ModelSpec(id="team/m", engine="openvino", source=str(source), weight_format="int8")

    for _ in range(2):
        build_engine(spec, find_model(spec), 512, tmp_path / "home")

    ((first, *_, out),) = commands
    assert first == str(tmp_path / "home" / "exporter" / "bin" / "optimum-cli")
    assert out.endswith("-int8.partial")
    assert not Path(out).exists()


def test_a_conversion_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ensure_exporter", lambda folder: Path("/bin/false"))

    with pytest.raises(ExportFailed, match="/bin/false export openvino"):
        export_openvino(tmp_path, tmp_path / "out")

    assert not (tmp_path / "out").exists()


async def test_a_context_over_the_models_own_is_refused(tmp_path: Path) -> None:
    spec = ModelSpec(id="m", context_length=1_000_000)

    with pytest.raises(ValueError, match="over the model's own"):
        await load_text_model(spec, tmp_path, ManualClock())


def test_a_rate_is_measured_over_a_second_or_more() -> None:
    clock = ManualClock()
    throughput = Throughput(clock)

    clock.advance(2.0)
    assert throughput.rate(100) == 50.0
    clock.advance(0.5)
    assert throughput.rate(900) == 50.0
    clock.advance(0.5)
    assert throughput.rate(900) == 800.0


async def test_a_loop_that_is_blocked_is_seen() -> None:
    lag = LoopLag(interval_s=0.001)
    lag.start()
    loop = asyncio.get_running_loop()

    until = loop.time() + 0.02
    while loop.time() < until:  # hold the loop, as blocking code would
        pass

    assert lag.worst() >= 0.015
    await asyncio.sleep(0.002)
    lag.stop()
    assert lag.worst() >= 0.015


async def test_merging_takes_each_source_in_turn() -> None:
    async def source(name: str, count: int):  # type: ignore[no-untyped-def]
        for number in range(count):
            yield f"{name}{number}"

    got = [item async for item in merge([source("a", 3), source("b", 1), source("c", 2)])]

    assert got[:3] == ["a0", "b0", "c0"]
    assert sorted(got) == ["a0", "a1", "a2", "b0", "c0", "c1"]


async def test_a_replica_serves_reports_and_leaves() -> None:
    replica = ModelReplica.__new__(ModelReplica)
    await replica.__init__({"id": "echo", "engine": "echo"})  # type: ignore[misc]
    request = GenerateRequest(
        "r", Caller("t", "k", frozenset()), "echo", Sampling(max_tokens=9), prompt="Hello"
    )

    completion = await replica.generate(request)
    chunks = [chunk async for chunk in replica.stream(request)]
    await replica.reconfigure({"max_waiting": 7})
    await replica.check_health()

    assert completion.choices[0].text == "".join(chunk.text for chunk in chunks) == "Hello"
    assert (await replica.card()).engine == "echo"
    stats = await replica.record_autoscaling_stats()
    assert stats.keys() == {
        "running",
        "queued",
        "queued_interactive",
        "queued_standard",
        "queued_batch",
        "queue_wait_s",
        "tokens_per_s",
        "tokens",
        "tokens_capacity",
        "arrivals_per_s",
        *(
            f"{latency}_p{quantile}_s"
            for latency in ("ttft", "total")
            for quantile in (50, 90, 95, 99)
        ),
        "cpu_share",
        "memory_share",
        "cold_start_s",
        "loop_lag_s",
        "links",
    }
    assert stats["tokens"] == 0
    assert stats["arrivals_per_s"] > 0
    assert stats["ttft_p50_s"] > 0
    assert 0 < stats["cold_start_s"] < 60
    assert (await replica.record_routing_stats())["queued"] == 0
    leaving = replica.__del__()
    assert leaving is not None
    await leaving
    assert replica.__del__() is None
    with pytest.raises(RuntimeError):
        await replica.check_health()


def test_an_exported_model_finds_its_settings_of_pictures(tmp_path: Path) -> None:
    """transformers 5 writes them into one file with others; openvino-genai reads the older one."""
    joint = {"image_processor": {"crop_size": {"height": 32}}, "patch_size": 8}
    tmp_path.joinpath("processor_config.json").write_text(json.dumps(joint))

    export.split_processor_config(tmp_path)

    own = tmp_path / "preprocessor_config.json"
    assert json.loads(own.read_text()) == {"crop_size": {"height": 32}}


def test_a_model_with_a_vision_part_is_found_in_its_openvino_form(tmp_path: Path) -> None:
    tmp_path.joinpath("config.json").write_text(json.dumps({"vision_config": {}}))
    tmp_path.joinpath("openvino_language_model.xml").touch()

    assert find_model(ModelSpec(id="eyes", source=str(tmp_path))).ir == tmp_path
