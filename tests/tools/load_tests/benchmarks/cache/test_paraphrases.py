"""The semantic benchmark's traffic is the same for a seed, and its labels mean something."""

import asyncio
from collections import defaultdict
from random import Random

import numpy as np
import regex

from load_tests.benchmarks.cache.bench_semantic import run_semantic_cache, run_static_threshold
from load_tests.benchmarks.cache.paraphrases import SAME_MEANING, TASKS, generate_traffic


def test_a_seed_gives_the_same_traffic() -> None:
    assert generate_traffic(200, Random(7)) == generate_traffic(200, Random(7))
    assert generate_traffic(200, Random(7)) != generate_traffic(200, Random(8))


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert generate_traffic(300, Random(7))[:200] == generate_traffic(200, Random(7))


def test_a_text_has_one_meaning_and_a_meaning_many_texts() -> None:
    texts, meanings = defaultdict(set), defaultdict(set)
    for request in generate_traffic(5_000, Random(1)):
        texts[request.meaning].add(request.text)
        meanings[request.text].add(request.meaning)

    assert all(len(found) == 1 for found in meanings.values())
    assert max(map(len, texts.values())) > 50


def test_requests_of_one_meaning_have_the_same_numbers() -> None:
    numbers = defaultdict(set)
    for request in generate_traffic(5_000, Random(1)):
        numbers[request.meaning].add(tuple(regex.findall(r"\d+", request.text)))

    assert all(len(found) == 1 for found in numbers.values())


def test_every_wording_says_its_subject_and_detail() -> None:
    for wordings, details in TASKS:
        assert all("{s}" in wording and "{d}" in wording for wording in wordings)
        assert len(set(details)) == len(details)
    assert set(SAME_MEANING) <= {detail for _, details in TASKS for detail in details}


def test_with_vectors_that_tell_meanings_apart_every_policy_is_right() -> None:
    requests = generate_traffic(3_000, Random(1))
    axes = {meaning: at for at, meaning in enumerate({r.meaning for r in requests})}
    random = np.random.default_rng(1)
    ideal = random.normal(size=(len(axes), 64))
    ideal /= np.linalg.norm(ideal, axis=1, keepdims=True)
    vectors = {r.text: ideal[axes[r.meaning]].astype(np.float32) for r in requests}

    kept = asyncio.run(run_semantic_cache(requests, vectors, 0.05, 1))
    plain = run_static_threshold(requests, vectors, 0.9)

    assert kept.errors == plain.errors == 0
    assert kept.hits > 500
    assert kept.missed() == []
