"""From a spec to a text model that is ready.

In: what the operator wrote. Out: a `TextModel`, engine started.
"""

import asyncio
from pathlib import Path

from cluster.runtime.clock import Clock
from deployments.contracts.engine import Engine
from deployments.contracts.generation import ModelCard
from deployments.model.engines.factory import build_echo, build_engine, cache_tokens, choose_engine
from deployments.model.model_files import ModelFiles, find_model
from deployments.model.spec import ModelSpec
from deployments.model.text.text_model import Limits, TextModel
from deployments.model.text.tokenizer import ByteTokenizer, TextTokenizer, Tokenizer

_ECHO_CONTEXT = 131_072


async def load_text_model(spec: ModelSpec, home: Path, clock: Clock) -> TextModel:
    """Find (or download, or convert) the model, load it and warm it up.

    Raises FileNotFoundError, export.ExportFailed or RuntimeError, each saying what is wrong.
    """
    if spec.engine == "echo":
        engine, tokenizer, card = _echo(spec, clock)
    else:
        engine, tokenizer, card = await asyncio.to_thread(_files, spec, home)
    await engine.start()
    limits = Limits(
        context_length=card.context_length,
        max_output_tokens=spec.max_output_tokens,
        max_running=spec.max_running,
        max_waiting=spec.max_waiting,
        target_wait_s=spec.target_wait_s,
        stream_interval_s=spec.stream_interval_s,
        cache_tokens=cache_tokens(spec, card.context_length),
    )
    return TextModel(engine, tokenizer, card, limits, clock)


def _echo(spec: ModelSpec, clock: Clock) -> tuple[Engine, Tokenizer, ModelCard]:
    engine = build_echo(spec)
    card = ModelCard(
        id=spec.id,
        engine="echo",
        source="echo",
        revision="echo-1",
        context_length=spec.context_length or _ECHO_CONTEXT,
        created=int(clock.wall()),
        description=spec.description or "Gives the last message back; for tests and measurements.",
        capabilities=engine.supports,
    )
    return engine, ByteTokenizer(), card


def _files(spec: ModelSpec, home: Path) -> tuple[Engine, Tokenizer, ModelCard]:
    files = find_model(spec)
    context_length = _context_length(spec, files)
    tokenizer = TextTokenizer(files.folder)
    engine = build_engine(spec, files, context_length, home)
    card = ModelCard(
        id=spec.id,
        engine=choose_engine(spec),
        source=spec.source,
        revision=files.revision,
        context_length=context_length,
        created=files.created,
        parameters=files.parameters,
        description=spec.description,
        capabilities=engine.supports,
    )
    return engine, tokenizer, card


def _context_length(spec: ModelSpec, files: ModelFiles) -> int:
    if spec.context_length is None:
        return files.context_length
    if spec.context_length > files.context_length:
        raise ValueError(
            f"model '{spec.id}': context_length {spec.context_length} is over the model's own "
            f"{files.context_length}"
        )
    return spec.context_length
