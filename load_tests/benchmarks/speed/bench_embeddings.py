"""`./mobula bench embeddings`: latency of an embedding model on every engine, without Serve.

All engines are loaded, then measured in turn, call by call, so that a noisy moment hits all of
them. The largest difference of their vectors is reported beside. Exit code 1 with `--check` where
OpenVINO's median latency of one text is over 0.6 of torch's, or vectors differ by over 1e-3.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cluster.runtime.settings import Settings
from deployments.model.embeddings.embedder import SentenceEncoder, load_sentence_encoder
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.encoders.engines import ENCODER_ENGINES
from deployments.model.encoders.tokens import TokenSequence
from load_tests.machine import describe_machine

SHORT, LONG = 16, 128  # tokens, special ones included
LATENCY_RATIO, DIFFERENCE = 0.6, 1e-3
_WORD = "coffee "


@dataclass(frozen=True)
class EmbeddingOptions:
    """`calls` of each size are measured, after some that are not."""

    source: str
    engines: tuple[str, ...]
    batches: tuple[int, ...]
    calls: int
    threads: int


@dataclass(frozen=True)
class EmbeddingLatency:
    """Milliseconds of a call of `size` texts of `tokens` tokens each."""

    engine: str
    size: int
    tokens: str
    p50_ms: float
    p95_ms: float


def measure(options: EmbeddingOptions, home: Path) -> tuple[list[EmbeddingLatency], float]:
    """The latencies, and the largest difference of two engines' vectors."""
    encoders = {
        name: load_sentence_encoder(
            EmbeddingSpec(id="bench", source=options.source, engine=name, threads=options.threads),
            home,
        )[0]
        for name in options.engines
    }
    rows: list[EmbeddingLatency] = []
    difference = 0.0
    for size in options.batches:
        for tokens in (SHORT, LONG):
            text = _WORD * (tokens - 2)
            took: dict[str, list[float]] = {name: [] for name in encoders}
            found = []
            for call in range(-2, options.calls):
                for name, encoder in encoders.items():
                    started = time.perf_counter()
                    vectors = encoder.encode(_tokenize(encoder, [text] * size))
                    if call >= 0:
                        took[name].append(1000 * (time.perf_counter() - started))
                    elif call == -1:
                        found.append(vectors)
            difference = max(difference, *(float(np.abs(v - found[0]).max()) for v in found))
            rows += [_latency(name, size, tokens, values) for name, values in took.items()]
    return rows, difference


def _tokenize(encoder: SentenceEncoder, texts: Sequence[str]) -> list[TokenSequence]:
    return encoder.tokenize(texts, ())


def _latency(engine: str, size: int, tokens: int, took: Sequence[float]) -> EmbeddingLatency:
    ordered = sorted(took)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    median = statistics.median(ordered)
    return EmbeddingLatency(engine, size, f"{tokens} tokens", round(median, 2), round(p95, 2))


def latency_ratio(rows: Sequence[EmbeddingLatency]) -> float | None:
    """OpenVINO's median of one short text over torch's."""
    one = {row.engine: row.p50_ms for row in rows if (row.size, row.tokens) == (1, "16 tokens")}
    if "openvino" not in one or "torch" not in one:
        return None
    return one["openvino"] / one["torch"]


def report(
    rows: Sequence[EmbeddingLatency], difference: float, options: EmbeddingOptions, console: Console
) -> None:
    table = Table(title=f"milliseconds a call, p50 (p95), {options.threads} thread(s)")
    table.add_column("texts")
    for name in options.engines:
        table.add_column(name, justify="right")
    for size, tokens in dict.fromkeys((row.size, row.tokens) for row in rows):
        cells = [
            f"{row.p50_ms:,.1f} ({row.p95_ms:,.1f})"
            for row in rows
            if (row.size, row.tokens) == (size, tokens)
        ]
        table.add_row(f"{size} of {tokens}", *cells)
    console.print(table)
    console.print(f"the vectors differ by {difference:.1e} at most", highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mobula bench embeddings", description=__doc__)
    parser.add_argument("--source", default="minilm", help="'minilm', a folder, a Hugging Face id")
    parser.add_argument("--engines", default=",".join(ENCODER_ENGINES), help="with commas")
    parser.add_argument("--batches", default="1,16", help="texts of a call, with commas")
    parser.add_argument("--calls", type=int, default=50, help="of each size and engine")
    parser.add_argument("--threads", type=int, default=1, help="the same for every engine")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(argv)
    options = EmbeddingOptions(
        source=given.source,
        engines=tuple(given.engines.split(",")),
        batches=tuple(int(part) for part in given.batches.split(",")),
        calls=given.calls,
        threads=given.threads,
    )
    console = Console()
    machine = describe_machine()
    rows, difference = measure(options, Settings().home)
    report(rows, difference, options, console)
    ratio = latency_ratio(rows)
    if given.json is not None:
        body = {
            "benchmark": "embeddings",
            "machine": machine,
            "options": asdict(options),
            "rows": [asdict(row) for row in rows],
            "difference": difference,
            "ratio": ratio,
        }
        given.json.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    missed = difference > DIFFERENCE or (ratio is not None and ratio > LATENCY_RATIO)
    return int(given.check and missed)


if __name__ == "__main__":
    sys.exit(main())
