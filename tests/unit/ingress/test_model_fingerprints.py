"""What the cache knows of models that come and go."""

from dataclasses import dataclass

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Overloaded
from deployments.contracts.generation import ModelCard
from deployments.ingress.model_registry import CARD_TTL_S, ModelRegistry
from deployments.ingress.pipeline.model_fingerprints import ModelFingerprints


@dataclass
class DescribedModel:
    """A model of which nobody asks more than its card."""

    id: str
    revision: str = "1"
    is_up: bool = True

    async def card(self) -> ModelCard:
        if not self.is_up:
            raise Overloaded("It is away.")
        return ModelCard(self.id, "echo", self.id, self.revision, 64, 0)


async def test_a_model_that_is_away_keeps_its_fingerprint_and_one_that_is_gone_has_none() -> None:
    clock, kept, listed = ManualClock(), DescribedModel("kept"), DescribedModel("openai/listed")
    registry = ModelRegistry({"kept": kept}, clock)  # type: ignore[dict-item]
    registry.add_text_model(listed.id, listed)  # type: ignore[arg-type]
    fingerprints = ModelFingerprints(registry)
    await fingerprints.refresh()
    both = dict(fingerprints.by_model)
    version = fingerprints.version

    registry.remove_text_model(listed.id)
    kept.is_up = False
    clock.advance(CARD_TTL_S)
    await fingerprints.refresh()

    assert both.keys() == {"kept", "openai/listed"}
    assert fingerprints.by_model == {"kept": both["kept"]}
    assert fingerprints.version != version
