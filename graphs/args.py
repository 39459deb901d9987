"""The typed form of `args` in serve_config.yaml: the operator's options of the graph.

Args hold no secrets: Serve stores them with the application and logs options.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from deployments.contracts.moderation import RULES
from deployments.ingress.names.spec import NameSettings, NamesSpec
from graphs.cache_args import CacheArgs
from graphs.graph_args import GraphArgs
from graphs.guardrail_args import GuardrailArgs
from graphs.health_args import HealthArgs
from graphs.media_args import MediaArgs
from graphs.model_args import ClassifierArgs, EmbeddingArgs, ModelArgs, RerankerArgs
from graphs.moderation_args import ModerationArgs
from graphs.name_args import check_names, name_settings
from graphs.provider_args import (
    EgressArgs,
    ExternalArgs,
    ProviderEmbeddingArgs,
    ProviderModelArgs,
    by_engine,
    check_urls,
)
from graphs.search_args import SearchArgs
from graphs.text_args import SHIPPED_EMBEDDER, TextArgs
from graphs.video_args import VideoArgs

ServedArgs = ModelArgs | EmbeddingArgs | ClassifierArgs
AnyArgs = ServedArgs | ExternalArgs
TextModel = Annotated[
    ModelArgs | ProviderModelArgs, BeforeValidator(by_engine(ModelArgs, ProviderModelArgs))
]
Embedder = Annotated[
    EmbeddingArgs | ProviderEmbeddingArgs,
    BeforeValidator(by_engine(EmbeddingArgs, ProviderEmbeddingArgs)),
]


class IngressArgs(GraphArgs):
    """The HTTP stage. One replica uses one core at roughly a thousand requests/s.

    `per_node` limits replicas on one node (None: no limit).
    """

    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    per_node: Annotated[int, Field(ge=1, le=100)] | None = None
    num_cpus: Annotated[float, Field(ge=0)] = 0.5


class LimiterArgs(GraphArgs):
    """The authority of the tenants' limits.

    `embedded` are `shards` Limiter deployments of one replica each, which divide the tenants;
    `redis` needs MOBULA_REDIS_URL; `auto` is redis if that is set.
    """

    authority: Literal["auto", "embedded", "redis"] = "auto"
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.1


class ContentArgs(GraphArgs):
    """The models for captions and posts.

    `providers` maps provider names in requests to model ids; every model id is also a provider.
    `default` is used if a request names none.
    """

    providers: dict[str, str] = {}
    default: str | None = None


class AppArgs(GraphArgs):
    """Args of the whole graph."""

    models: Annotated[tuple[TextModel, ...], Field(min_length=1)]
    embeddings: tuple[Embedder, ...] = ()
    rerank: tuple[RerankerArgs, ...] = ()
    moderation: ModerationArgs = ModerationArgs()
    ingress: IngressArgs = IngressArgs()
    limiter: LimiterArgs = LimiterArgs()
    cache: CacheArgs = CacheArgs()
    content: ContentArgs = ContentArgs()
    video: VideoArgs = VideoArgs()
    text: TextArgs = TextArgs()
    media: MediaArgs = MediaArgs()
    search: SearchArgs = SearchArgs()
    egress: EgressArgs = EgressArgs()
    names: NamesSpec = NamesSpec()
    guardrails: GuardrailArgs = GuardrailArgs()
    health: HealthArgs = HealthArgs()

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        ids = [RULES, *(model.id for model in (*self.served, *self.external))]
        twice = sorted({model for model in ids if ids.count(model) > 1})
        if twice:
            taken = f" ('{RULES}' means those of moderation)" if RULES in twice else ""
            raise ValueError(
                "models, embeddings, rerank, moderation.models: each id may appear once; twice: "
                f"{', '.join(twice)}{taken}"
            )
        return self

    @model_validator(mode="after")
    def _check_text_embedder(self) -> Self:
        embedder = self.text.embedder
        if embedder is not None and embedder not in self.text_embedders:
            raise ValueError(
                f"text.embedder: '{embedder}' is not one of the embedding models that have a "
                f"deployment: {', '.join(self.text_embedders) or 'there is none'}"
            )
        return self

    @model_validator(mode="after")
    def _check_semantic_model(self) -> Self:
        model, ids = self.cache.semantic.model, {model.id for model in self.embeddings}
        if model is not None and model not in ids:
            raise ValueError(
                f"cache.semantic.model: '{model}' is not among embeddings: "
                f"{', '.join(sorted(ids)) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _check_guardrails(self) -> Self:
        judges = {model.id for model in self.moderation.models}
        self.guardrails.check_models({model.id for model in self.models}, judges)
        return self

    @model_validator(mode="after")
    def _check_providers(self) -> Self:
        ids = {model.id for model in self.models if not is_discovery(model)}
        named = dict(self.content.providers)
        if self.content.default is not None and self.content.default not in named:
            named["default"] = self.content.default
        for name, model in named.items():
            if model not in ids:
                raise ValueError(
                    f"content: '{name}' names model '{model}', which is not among models: "
                    f"{', '.join(sorted(ids))}"
                )
        if self.default_provider not in ids | {*self.content.providers}:
            raise ValueError(
                f"content.default: name a model; '{self.default_provider}' stands for those that "
                "its provider lists"
            )
        return self

    @model_validator(mode="after")
    def _check_fallbacks(self) -> Self:
        kinds: tuple[tuple[AnyArgs, ...], ...] = (
            self.models,
            self.embeddings,
            self.rerank,
            self.moderation.models,
        )
        for kind in kinds:
            ids = {model.id for model in kind}
            for model in kind:
                for name in model.resilience.fallback:
                    if name not in ids - {model.id}:
                        others = ", ".join(sorted(ids - {model.id})) or "none"
                        raise ValueError(
                            f"resilience.fallback of '{model.id}' names '{name}', which is not "
                            f"another model of its kind: {others}"
                        )
        return self

    @model_validator(mode="after")
    def _check_upstreams(self) -> Self:
        check_urls(self.external, self.egress)
        self.health.check_urls(self.egress.private_hosts)
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        kinds: dict[str, tuple[ServedArgs | ExternalArgs, ...]] = {
            "models": self.models,
            "embeddings": self.embeddings,
            "rerank": self.rerank,
            "moderation.models": self.moderation.models,
        }
        check_names(self.names, kinds, self.content.providers, self.discovered)
        return self

    @property
    def name_settings(self) -> NameSettings:
        """By which names the models answer."""
        return name_settings(self.names, (*self.served, *self.external), self.discovered)

    @property
    def discovered(self) -> tuple[str, ...]:
        """What the ids of models that providers list begin with."""
        return tuple(f"{model.id}/" for model in self.provider_models if model.discovery)

    @property
    def served(self) -> "tuple[ServedArgs, ...]":
        """Every model that has a deployment."""
        return *self.local_models, *self.local_embeddings, *self.classifiers

    @property
    def external(self) -> tuple[ExternalArgs, ...]:
        """Every model that a provider serves."""
        return *self.provider_models, *self.provider_embeddings

    @property
    def local_models(self) -> tuple[ModelArgs, ...]:
        return tuple([model for model in self.models if isinstance(model, ModelArgs)])

    @property
    def provider_models(self) -> tuple[ProviderModelArgs, ...]:
        return tuple([model for model in self.models if isinstance(model, ProviderModelArgs)])

    @property
    def local_embeddings(self) -> tuple[EmbeddingArgs, ...]:
        return tuple([model for model in self.embeddings if isinstance(model, EmbeddingArgs)])

    @property
    def text_embedders(self) -> tuple[str, ...]:
        """The ids of the embedding models that text analysis may use, those first for which its
        heads are trained."""
        models = sorted(self.local_embeddings, key=lambda each: each.source != SHIPPED_EMBEDDER)
        return tuple(each.id for each in models)

    @property
    def provider_embeddings(self) -> tuple[ProviderEmbeddingArgs, ...]:
        external = [each for each in self.embeddings if isinstance(each, ProviderEmbeddingArgs)]
        return tuple(external)

    @property
    def classifiers(self) -> tuple[ClassifierArgs, ...]:
        return *self.rerank, *self.moderation.models

    @property
    def default_provider(self) -> str:
        """The provider if a request names none."""
        return self.content.default or self.models[0].id


def is_discovery(model: ModelArgs | ProviderModelArgs) -> bool:
    """Whether it stands for the models that a provider lists, and is none itself."""
    return isinstance(model, ProviderModelArgs) and model.discovery is not None
