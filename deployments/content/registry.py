"""The models that write content. In: a provider's name, or None. Out: the model id and its
TextGenerator.
"""

from collections.abc import Mapping

from cluster.runtime.problems import UnknownModel
from deployments.contracts.generation import TextGenerator


class ProviderRegistry:
    """The generators that may write content, by model id, with aliases.

    `names` maps a provider's name ("fast", "house style") to a model id; ids are names of their
    own.
    """

    def __init__(
        self,
        generators: Mapping[str, TextGenerator],
        default: str,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._generators = dict(generators)
        self._names = {**{model: model for model in generators}, **(names or {})}
        self._default = default
        for name, model in [*self._names.items(), ("default", default)]:
            if self._names.get(model, model) not in self._generators:
                raise ValueError(
                    f"content provider {name!r} names model {model!r}, which is not configured"
                )

    def resolve(self, name: str | None = None) -> tuple[str, TextGenerator]:
        """Return (model id, generator) for a name; None is the default. Raises UnknownModel."""
        model = self._names.get(name or self._default)
        if model is None:
            raise UnknownModel(name or self._default, self.known())
        return model, self._generators[model]

    def known(self) -> tuple[str, ...]:
        """Return every name that `resolve` accepts, sorted."""
        return tuple(sorted(self._names))
