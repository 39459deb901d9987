"""How often the semantic cache is right: labelled paraphrases, real embeddings, no cluster.

    ./mobula bench semantic [--requests N] [--seed N] [--json FILE] [--check]

In: traffic of paraphrases.py, whose labels say which requests deserve the same answer.
Out: for each bound that the cache promises, and for static similarity thresholds beside it, the
share of requests that were hits, and of wrong ones among these. Every hit is checked against its
label; the cache itself only learns from what it computed and from its shadow checks. Requests
whose very text was answered before go to the exact cache and count for nobody.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from cluster.runtime.settings import Settings
from deployments.cache.semantic.error_bound import upper_bound
from deployments.cache.semantic.index import Vector, VectorIndex
from deployments.cache.semantic.semantic_cache import SemanticCache
from deployments.model.embeddings.embedder import load_sentence_encoder
from deployments.model.embeddings.spec import EmbeddingSpec
from load_tests.benchmarks.cache.paraphrases import LabelledRequest, generate_traffic
from load_tests.machine import describe_machine

BOUNDS = (0.01, 0.05)
THRESHOLDS = (0.8, 0.9, 0.95, 0.97)
MIN_HITS = 300
_BATCH = 64
_TENANT, _FRAME = "bench", b"frame"


@dataclass(frozen=True)
class SemanticOutcome:
    """`bound` is None for a threshold, which promises nothing. `requests` are those that the exact
    cache did not answer."""

    policy: str
    bound: float | None
    requests: int
    hits: int
    errors: int

    @property
    def hit_ratio(self) -> float:
        return self.hits / self.requests if self.requests else 0.0

    @property
    def error(self) -> float:
        return self.errors / self.hits if self.hits else 0.0

    @property
    def error_upper(self) -> float:
        return upper_bound(self.errors, self.hits)

    def missed(self) -> list[str]:
        """A sentence for each target that was missed."""
        faults = []
        if self.bound is not None and self.hits < MIN_HITS:
            faults.append(f"{self.policy}: only {self.hits} hits; {MIN_HITS} make a measurement")
        if self.bound is not None and self.error_upper > self.bound:
            faults.append(f"{self.policy}: up to {self.error_upper:.2%} of the hits were wrong")
        return faults


def embed_texts(texts: Sequence[str], threads: int) -> dict[str, Vector]:
    """The vector of each text, by the model that is installed with Mobula."""
    spec = EmbeddingSpec(id="minilm", threads=threads)
    encoder, _ = load_sentence_encoder(spec, Settings().home)
    order = sorted(texts, key=len)
    batches = (order[at : at + _BATCH] for at in range(0, len(order), _BATCH))
    return {
        text: vector
        for batch in batches
        for text, vector in zip(batch, encoder.encode(encoder.tokenize(batch, ())), strict=True)
    }


async def run_semantic_cache(
    requests: Sequence[LabelledRequest], vectors: Mapping[str, Vector], bound: float, seed: int
) -> SemanticOutcome:
    """The semantic cache as the ingress runs it; a meaning's answer is the meaning itself."""

    async def embed(tenant: str, text: str) -> Vector:
        return vectors[text]

    cache = SemanticCache(embed, Random(seed), bound=bound)
    computed: set[str] = set()
    requests_made = hits = errors = 0
    for request in requests:
        if request.text in computed:
            continue
        requests_made += 1
        near = await cache.near(_TENANT, _FRAME, request.text)
        same = near is not None and near.key.decode() == request.meaning
        if near is not None and (near.check or not near.serve):
            cache.observe(near, same)
        if near is not None and near.serve:
            hits += 1
            errors += not same
            continue
        computed.add(request.text)
        if not same:
            await cache.learn(_TENANT, _FRAME, request.text, request.meaning.encode())
    return SemanticOutcome(f"bound {bound:.0%}", bound, requests_made, hits, errors)


def run_static_threshold(
    requests: Sequence[LabelledRequest], vectors: Mapping[str, Vector], threshold: float
) -> SemanticOutcome:
    """One similarity threshold for everything."""
    index = VectorIndex(per_tenant=len(requests), total=len(requests))
    computed: set[str] = set()
    requests_made = hits = errors = 0
    for request in requests:
        if request.text in computed:
            continue
        requests_made += 1
        nearest = index.nearest(_TENANT, _FRAME, vectors[request.text])
        if nearest is not None and nearest[1] >= threshold:
            hits += 1
            errors += nearest[0].key.decode() != request.meaning
            continue
        computed.add(request.text)
        index.add(_TENANT, _FRAME, vectors[request.text], request.meaning.encode())
    return SemanticOutcome(f"threshold {threshold:g}", None, requests_made, hits, errors)


def print_outcomes(outcomes: Sequence[SemanticOutcome], console: Console) -> None:
    table = Table(title="Semantic cache on labelled paraphrases")
    for name in ("policy", "hits", "ratio", "wrong", "error", "up to (95 %)", "bound"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for one in outcomes:
        promised = "-" if one.bound is None else f"{one.bound:.0%}"
        table.add_row(
            one.policy,
            str(one.hits),
            f"{one.hit_ratio:.1%}",
            str(one.errors),
            f"{one.error:.2%}",
            f"{one.error_upper:.2%}",
            promised,
        )
    console.print(table)


def measure(
    requests: Sequence[LabelledRequest], vectors: Mapping[str, Vector], seed: int
) -> list[SemanticOutcome]:
    semantic = [asyncio.run(run_semantic_cache(requests, vectors, bound, seed)) for bound in BOUNDS]
    return semantic + [
        run_static_threshold(requests, vectors, threshold) for threshold in THRESHOLDS
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="mobula bench semantic", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--requests", type=int, default=16_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="of the embedding model")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    given = parser.parse_args(arguments)
    console = Console()
    requests = generate_traffic(given.requests, Random(given.seed))
    texts = {request.text for request in requests}
    meanings = len({request.meaning for request in requests})
    started = perf_counter()
    vectors = embed_texts(sorted(texts), given.threads)
    took_s = perf_counter() - started
    console.print(
        f"{len(requests)} requests, {len(texts)} texts, {meanings} meanings; "
        f"embedded in {took_s:.0f} s ({1000 * took_s / len(texts):.1f} ms a text)"
    )
    outcomes = measure(requests, vectors, given.seed)
    print_outcomes(outcomes, console)
    if given.json:
        given.json.write_text(json.dumps(_record(outcomes, given.requests, given.seed), indent=2))
    missed = [sentence for outcome in outcomes for sentence in outcome.missed()]
    for sentence in missed:
        console.print(f"[red]{sentence}[/red]")
    return 1 if given.check and missed else 0


def _record(outcomes: Sequence[SemanticOutcome], requests: int, seed: int) -> dict[str, object]:
    rows = [{**asdict(one), "error": one.error, "error_upper": one.error_upper} for one in outcomes]
    about = {"requests": requests, "seed": seed, "numpy": np.__version__}
    return {"machine": describe_machine(), **about, "outcomes": rows}


if __name__ == "__main__":
    sys.exit(main())
