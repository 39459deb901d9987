"""Training: corpus batches in, a trained model out, with checkpoints that a later run resumes from.

AdamW with a warm-up and a cosine decay, bfloat16 autocast, loss on the assistant's tokens,
weighted. `minutes` caps the run: progress is the larger of the share of steps and the share of
time, so that the learning rate always reaches its end.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.corpus import (
    IGNORED_LABEL,
    CorpusPosition,
    TrainingBatch,
    draw_pool,
    make_batches,
    stream_batches,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, apart from the machine."""

    seed: int = 7
    steps: int = 6_000
    minutes: float | None = None
    tokens: int = 4_096
    rate: float = 2e-3
    floor: float = 0.02
    warmup: int = 100
    decay: float = 0.05
    threads: int = 2
    compiled: bool = False
    save_every: int = 250


Progress = tuple[int, float, CorpusPosition]  # steps, seconds, next batch


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The result of a run: steps done, seconds spent over all sessions, and the mean loss of the
    last 100 steps.
    """

    steps: int
    seconds: float
    loss: float


def train(
    model: Any,
    tokenizer: Any,
    recipe: Recipe,
    folder: Path,
    clock: Callable[[], float],
    log: Callable[[str], None],
) -> TrainingRun:
    """Train `model` in place; resumes from `folder`/checkpoint.pt where it exists."""
    import torch

    torch.set_num_threads(recipe.threads)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.decay, betas=(0.9, 0.95), fused=True
    )
    checkpoint = folder / "checkpoint.pt"
    step, spent, begin = _resume(checkpoint, model, optimizer)
    forward = torch.compile(model, dynamic=False) if recipe.compiled else model
    model.train()
    recent: list[float] = []
    seen, start = 0, clock()
    for position, batch in stream_batches(tokenizer, recipe.seed, recipe.tokens, begin):
        elapsed = spent + clock() - start
        progress = max(
            step / recipe.steps, elapsed / 60 / recipe.minutes if recipe.minutes else 0.0
        )
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(recipe, step, progress)
        recent = [*recent[-99:], _update(model, forward, optimizer, batch)]
        step, seen = step + 1, seen + recipe.tokens
        if step % 20 == 0:
            log(_format_progress(step, recent[-20:], seen / (clock() - start), elapsed, progress))
        if step % recipe.save_every == 0:
            _save(checkpoint, model, optimizer, (step, spent + clock() - start, position))
    model.eval()
    return TrainingRun(step, spent + clock() - start, sum(recent) / max(1, len(recent)))


def held_out_loss(
    model: Any, tokenizer: Any, seed: int, rows: int = 512, tokens: int = 4_096
) -> float:
    """Return the mean cross-entropy in nats per assistant token over held-out chats."""
    import random

    import torch

    total = count = 0.0
    with torch.inference_mode():
        for batch in make_batches(
            draw_pool(tokenizer, seed, 0, "held-out", rows),
            tokens // 4,
            random.Random(seed),
            tokenizer.pad_token_id,
        ):
            labels = torch.tensor(batch.labels)
            loss = model(input_ids=torch.tensor(batch.ids), labels=labels).loss
            known = int((labels[:, 1:] != IGNORED_LABEL).sum())
            total, count = total + float(loss) * known, count + known
    return total / count


def _update(model: Any, forward: Any, optimizer: Any, batch: TrainingBatch) -> float:
    import torch

    ids, labels = torch.tensor(batch.ids), torch.tensor(batch.labels)[:, 1:]
    weights = torch.tensor(batch.weights)[:, 1:] * (labels != IGNORED_LABEL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = forward(input_ids=ids, use_cache=False).logits
    each = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), labels, ignore_index=IGNORED_LABEL, reduction="none"
    )
    loss = (each * weights).sum() / weights.sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def _learning_rate(recipe: Recipe, step: int, progress: float) -> float:
    warm = min(1.0, (step + 1) / recipe.warmup)
    return (
        recipe.rate
        * warm
        * (recipe.floor + (1 - recipe.floor) * 0.5 * (1 + math.cos(math.pi * progress)))
    )


def _format_progress(
    step: int, losses: list[float], speed: float, elapsed: float, progress: float
) -> str:
    left = elapsed / progress - elapsed if progress else 0.0
    loss = sum(losses) / len(losses)
    done = f"{elapsed / 60:.1f} min  {progress:.0%}  ETA {left / 60:.1f} min"
    return f"step {step:5d}  loss {loss:.3f}  {speed:,.0f} tok/s  {done}"


def _save(path: Path, model: Any, optimizer: Any, progress: Progress) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": progress}
    torch.save(state, part)
    part.replace(path)


def _resume(path: Path, model: Any, optimizer: Any) -> Progress:
    import torch

    if not path.exists():
        return 0, 0.0, (0, 0)
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    step, spent, (index, number) = state["done"]
    return step, spent, (index, number)
