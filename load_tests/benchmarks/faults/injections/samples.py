"""Reads samples of a scrape. In: the text of /metrics. Out: sums over the replicas."""

import re

_PAIR = r'\w+="(?:[^"\\]|\\.)*"'
_LABEL = re.compile(_PAIR)
_SAMPLE = re.compile(rf"(\w+)(?:\{{((?:{_PAIR},?)*)\}})? (\S+)")


def sum_samples(text: str, selector: str) -> float | None:
    """Of all samples with the name and the labels of `selector`, such as `name{label="value"}`;
    None if there is none."""
    name, _, rest = selector.partition("{")
    labels = set(_LABEL.findall(rest))
    found = [
        float(sample[3])
        for sample in map(_SAMPLE.match, text.splitlines())
        if sample is not None
        and sample[1] == name
        and labels <= set(_LABEL.findall(sample[2] or ""))
    ]
    return sum(found) if found else None
