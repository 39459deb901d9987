"""Requests and results of the pipelines, complete or as a stream of events. Frozen, so that they
cross processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Caller, Priority
from deployments.content.brief import Brief
from deployments.contracts.generation import FinishReason, TokenUsage
from deployments.contracts.images import ImageSource


@dataclass(frozen=True, slots=True)
class ContentRequest:
    """One item of work: the caller, the brief, the model. `output_schema` is the text of a JSON
    Schema that the caller wants a text's fields by; empty: a plain text. `image_sources` are the
    pictures of the brief.

    Variant i (from 0) is generated with seed `seed + i`, or with the model's own randomness where
    `seed` is None.
    """

    request_id: str
    caller: Caller
    brief: Brief
    model: str
    variants: int = 3
    seed: int | None = None
    temperature: float = 0.7
    top_p: float = 0.95
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    output_schema: str = ""
    image_sources: tuple[ImageSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscore:
    """One aspect of a text: `value` 0..1, its `weight` in the total (weights sum to 1), and why."""

    name: str
    value: float
    weight: float
    reason: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One finished text. `index` is its position of generation; `score` 0..1 is the weighted sum of
    `subscores`; `model` wrote it (empty: the requested one). `fields` is the object by the
    request's `output_schema`; then `text` is that of all its fields.
    """

    index: int
    text: str
    body: str
    hashtags: tuple[str, ...]
    score: float
    subscores: tuple[Subscore, ...]
    finish_reason: FinishReason
    truncated: bool = False
    usage: TokenUsage = TokenUsage()
    model: str = ""
    fields: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A variant that could not be generated."""

    index: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class CaptionSet:
    """The variants of one request, best first; `duplicates` are the indexes of omitted
    near-duplicates of a better one. `model` wrote the best.
    """

    kind: str
    model: str
    prompt_version: str
    variants: tuple[Variant, ...]
    duplicates: tuple[int, ...]
    failures: tuple[Failure, ...]
    usage: TokenUsage


@dataclass(frozen=True, slots=True)
class Started:
    """The first event: the number of variants in progress, and their model."""

    variants: int
    model: str


@dataclass(frozen=True, slots=True)
class Delta:
    """Text as the model writes it, before clean-up: a preview of variant `variant`."""

    variant: int
    text: str


@dataclass(frozen=True, slots=True)
class VariantDone:
    """Variant `variant` is finished and cleaned up."""

    variant: int
    result: Variant


@dataclass(frozen=True, slots=True)
class VariantFailed:
    """Variant `variant` failed; the others go on."""

    variant: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Completed:
    """The last event: the complete result, ranked."""

    result: CaptionSet


Event = Started | Delta | VariantDone | VariantFailed | Completed


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """One request of a batch: exactly one of `result` and `problem` is set."""

    index: int
    result: CaptionSet | None = None
    problem: Problem | None = None
