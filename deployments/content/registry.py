"""Registry: which model writes content. In: a provider's name, or None. Out: the model's id."""

from collections.abc import Collection, Mapping

from cluster.runtime.problems import UnknownModel


class ProviderRegistry:
    """The models that may write content, with other names for them.

    `names` maps a provider's name ("fast", "house style") to a model id; a model's id is also a
    provider's name.
    """

    def __init__(
        self, models: Collection[str], default: str, names: Mapping[str, str] | None = None
    ) -> None:
        self._models = frozenset(models)
        self._names = {**{model: model for model in models}, **(names or {})}
        self._default = default
        for name, model in [*self._names.items(), ("default", default)]:
            if self._names.get(model, model) not in self._models:
                raise ValueError(
                    f"content provider {name!r} names model {model!r}, which is not configured"
                )

    def resolve(self, name: str | None = None) -> str:
        """The model id of a provider; None is the default. Raises UnknownModel."""
        model = self._names.get(name or self._default)
        if model is None:
            raise UnknownModel(name or self._default, self.known())
        return model

    def find(self, name: str) -> str | None:
        """The model id of a provider, if there is one of that name."""
        return self._names.get(name)

    def known(self) -> tuple[str, ...]:
        """Every name that `resolve` accepts, sorted."""
        return tuple(sorted(self._names))
