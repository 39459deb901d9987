"""From a spec to a text model that is ready.

In: the operator's settings. Out: a `TextModel`, its engine started.
"""

import asyncio
from pathlib import Path
from typing import Protocol, cast

from cluster.runtime.clock import Clock
from deployments.contracts.engine import Engine
from deployments.contracts.generation import ModelCard
from deployments.model.engines.registry import load_engine_class, resolve_engine
from deployments.model.model_files import ModelFiles, find_model
from deployments.model.spec import Limits, ModelSpec
from deployments.model.text.hf_tokenizer import TextTokenizer
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer, Tokenizer

_ECHO_CONTEXT = 131_072


class BuildableEngine(Protocol):
    """The class of an engine (engines/registry.py)."""

    def build(
        self, spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
    ) -> Engine:
        """An engine that is not started. May convert the model first (minutes, once). `files` is
        None for echo, which needs none. Raises FileNotFoundError, export.ExportFailed.
        """
        ...


def build_engine(
    spec: ModelSpec, files: ModelFiles | None, context_length: int, home: Path
) -> Engine:
    """The engine that `spec` names, or `auto` stands for."""
    name = resolve_engine(spec.engine, spec.device)
    engine = cast(BuildableEngine, load_engine_class(name))
    return engine.build(spec, files, context_length, home)


async def load_text_model(spec: ModelSpec, home: Path, clock: Clock) -> TextModel:
    """Find (or download, or convert) the model, load it and warm it up.

    Raises FileNotFoundError, export.ExportFailed or RuntimeError, each saying what is wrong.
    """
    if spec.engine == "echo":
        engine, tokenizer, card = _build_echo(spec, home, clock)
    else:
        engine, tokenizer, card = await asyncio.to_thread(_build_from_files, spec, home)
    await engine.start()
    limits = Limits(
        context_length=card.context_length,
        max_output_tokens=spec.max_output_tokens,
        over_limit=spec.over_limit,
        max_running=spec.max_running,
        max_waiting=spec.max_waiting,
        target_wait_s=spec.target_wait_s,
        stream_interval_s=spec.stream_interval_s,
        cache_tokens=spec.cache_size(card.context_length),
    )
    return TextModel(engine, tokenizer, card, limits, clock)


def _build_echo(spec: ModelSpec, home: Path, clock: Clock) -> tuple[Engine, Tokenizer, ModelCard]:
    context_length = spec.context_length or _ECHO_CONTEXT
    tokenizer = ByteTokenizer()
    if spec.tool_format == "off":
        tokenizer.tool_format = None
    engine = build_engine(spec, None, context_length, home)
    card = ModelCard(
        id=spec.id,
        engine=engine.name,
        source="echo",
        revision="echo-1",
        context_length=context_length,
        created=int(clock.wall()),
        description=spec.description or "Repeats the last message; for tests and measurements.",
        capabilities=engine.supports,
        tool_format=_format_name(tokenizer),
    )
    return engine, tokenizer, card


def _build_from_files(spec: ModelSpec, home: Path) -> tuple[Engine, Tokenizer, ModelCard]:
    files = find_model(spec)
    context_length = _context_length(spec, files)
    tokenizer = TextTokenizer(files.folder, spec.tool_format)
    engine = build_engine(spec, files, context_length, home)
    card = ModelCard(
        id=spec.id,
        engine=engine.name,
        source=spec.source,
        revision=files.revision,
        context_length=context_length,
        created=files.created,
        parameters=files.parameters,
        description=spec.description,
        capabilities=engine.supports,
        tool_format=_format_name(tokenizer),
        max_image_edge=spec.max_image_edge if "images" in engine.supports else 0,
    )
    return engine, tokenizer, card


def _format_name(tokenizer: Tokenizer) -> str:
    return "" if tokenizer.tool_format is None else tokenizer.tool_format.name


def _context_length(spec: ModelSpec, files: ModelFiles) -> int:
    if spec.context_length is None:
        return files.context_length
    if spec.context_length > files.context_length:
        raise ValueError(
            f"model '{spec.id}': context_length {spec.context_length} is over the model's own "
            f"{files.context_length}"
        )
    return spec.context_length
