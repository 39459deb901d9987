"""Personal data in templated texts: what is found of it, and what else is taken for it.

In: a number of texts and a seed. Out: recall and precision. Values of every kind and shape are
planted in sentences; beside them stand texts with numbers that are nobody's: dates, prices, order
numbers, scores, versions.
"""

from random import Random

from deployments.text.pii import find_pii
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.number_texts import number_texts
from load_tests.benchmarks.speed.planted_pii import PlantedText, planted_texts


def measure_pii(count: int, seed: int) -> list[Measurement]:
    texts = planted_texts(count, seed)
    found = sum(_is_found(text) for text in texts)
    false = sum(_false_spans(text) for text in texts)
    plain = number_texts(count, Random(seed))
    false += sum(len(find_pii(text)) for text in plain)
    return [
        Measurement("pii", "planted spans", count),
        Measurement("pii", "recall", round(found / count, 4), at_least=1.0),
        Measurement("pii", "texts without personal data", len(plain)),
        Measurement("pii", "precision", round(found / (found + false), 4), at_least=0.99),
    ]


def _is_found(planted: PlantedText) -> bool:
    """The whole value, by one span of its kind."""
    start = planted.text.index(planted.value)
    end = start + len(planted.value)
    return any(
        span.kind == planted.kind and span.start <= start and span.end >= end
        for span in find_pii(planted.text)
    )


def _false_spans(planted: PlantedText) -> int:
    """Spans that touch nothing of the value."""
    start = planted.text.index(planted.value)
    end = start + len(planted.value)
    return sum(span.end <= start or span.start >= end for span in find_pii(planted.text))
