"""Requests whose facts are given."""

from dataclasses import dataclass

from deployments.ingress.names.spec import Modality, NameSettings, NamesSpec


@dataclass(frozen=True)
class GivenFacts:
    """RequestFacts of a short chat, on a Monday."""

    request_id: str = "r1"
    affinity: str = ""
    tenant: str = "acme"
    plan: str = "default"
    now: float = 1_767_607_200.0  # 2026-01-05 10:00 UTC, a Monday
    prompt_bytes: int = 30
    prompt_tokens: int = 10
    modalities: frozenset[Modality] = frozenset(("text",))


def settings(
    aliases: dict[str, object], served: dict[str, tuple[str, ...]] | None = None, **fields: object
) -> NameSettings:
    """What the configuration says, as the operator writes it."""
    spec = NamesSpec.model_validate({"aliases": aliases, **fields})
    return NameSettings(spec, served or {})
