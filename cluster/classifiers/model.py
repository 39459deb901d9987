"""Classifiers of tenants as values, and what refuses to store them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from cluster.runtime.problems import Conflict, NotFound

ClassifierId = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,63}$")]


@dataclass(frozen=True, slots=True)
class ClassifierLimits:
    """Of each tenant; a classifier of 32 labels takes 50 kB."""

    max_count: int = 50


@dataclass(frozen=True, slots=True)
class TrainedWeights:
    """The result of a training: `head` is packed by pack_head. `examples` is their number."""

    head: bytes
    examples: int

    @property
    def labels(self) -> tuple[str, ...]:
        return unpack_head(self.head)[0]


@dataclass(frozen=True, slots=True)
class TenantClassifier:
    """`version` grows with each training. Times are Unix seconds."""

    id: str
    description: str
    version: int
    labels: tuple[str, ...]
    examples: int
    created: float
    updated: float

    @property
    def reference(self) -> str:
        """`id@version`, as answers name what has judged."""
        return f"{self.id}@{self.version}"


class ClassifierQuotaExceeded(Conflict):
    """A tenant has as many classifiers as are allowed."""

    slug, title = "classifier-quota-exceeded", "Too many classifiers are stored"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"id: at most {limit} classifiers of a tenant; delete some first.",
            param="id",
            limit=limit,
        )


def no_classifier(id: str, param: str = "classifier") -> NotFound:
    return NotFound(f"{param}: there is no classifier '{id[:64]}'.", param=param)


def pack_head(labels: Sequence[str], weights: bytes) -> bytes:
    """The labels, which must have no NUL, as a header of the weights."""
    names = "\0".join(labels).encode()
    return len(names).to_bytes(4, "little") + names + weights


def unpack_head(packed: bytes) -> tuple[tuple[str, ...], bytes]:
    """The labels and the weights. Raises ValueError for bytes that are no head."""
    end = 4 + int.from_bytes(packed[:4], "little")
    if not 4 < end < len(packed):
        raise ValueError("no packed head")
    return tuple(packed[4:end].decode().split("\0")), packed[end:]
