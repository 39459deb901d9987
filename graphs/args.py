"""The typed form of `args` in serve_config.yaml: the operator's options of the graph.

Args hold no secrets: Serve stores them with the application and logs options.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cluster.autoscaling.spec import ScalingSpec
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.spec import ResilienceSpec
from cluster.tenants.price_list import PriceList
from deployments.contracts.moderation import DEFAULT_THRESHOLD, RULES
from deployments.ingress.names.spec import NameSettings, NamesSpec, ServedName
from deployments.model.classification.spec import ClassifierSpec
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.spec import ModelSpec
from graphs.guardrail_args import GuardrailArgs
from graphs.health_args import HealthArgs
from graphs.media_args import MediaArgs
from graphs.name_args import check_names, name_settings
from graphs.provider_args import (
    EgressArgs,
    ExternalArgs,
    ProviderEmbeddingArgs,
    ProviderModelArgs,
    by_engine,
    check_urls,
)
from graphs.text_args import SHIPPED_EMBEDDER, TextArgs


class _Args(BaseModel):
    # Errors do not quote what was given, which may be a key in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Served(BaseModel):
    """Options of every model beside its spec: replicas, resources, routing, resilience, and the
    operator's `costs` in micro-currency for 1,000 of a unit. `prices`, in the same form, is what
    tenants pay whose plans name no price for the model.

    With `scaling` the number of replicas follows the load, starting with `replicas`; else it is
    fixed. `per_node` limits replicas on one node (None: no limit). `surge`: a rollout starts each
    replacement before it stops the old replica, which needs resources for one more. `transport`:
    the ingress calls replicas over a persistent connection to each (`link`), where one can be
    opened, or by Serve handle (`serve`). `served_names` are further names by which it answers.
    """

    served_names: Annotated[tuple[ServedName, ...], Field(max_length=100)] = ()
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    per_node: Annotated[int, Field(ge=1, le=100)] | None = None
    surge: bool = True
    transport: Literal["link", "serve"] = "link"
    costs: PriceList = {}
    prices: PriceList = {}
    scaling: ScalingSpec | None = None
    routing: RoutingSpec = RoutingSpec()
    resilience: ResilienceSpec = ResilienceSpec()

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        spec = self.scaling
        if spec and not spec.min_replicas <= self.replicas <= spec.max_replicas:
            raise ValueError(
                f"replicas: {self.replicas} is not between scaling.min_replicas, "
                f"{spec.min_replicas}, and scaling.max_replicas, {spec.max_replicas}"
            )
        return self


class ModelArgs(ModelSpec, _Served):
    """A text model and its deployment options."""

    num_cpus: Annotated[float, Field(ge=0)] = 1.0

    def spec(self) -> ModelSpec:
        return ModelSpec.model_validate(self.model_dump(include=set(ModelSpec.model_fields)))


class EmbeddingArgs(EmbeddingSpec, _Served):
    """An embedding model and its deployment options."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.05

    def spec(self) -> EmbeddingSpec:
        return EmbeddingSpec.model_validate(
            self.model_dump(include=set(EmbeddingSpec.model_fields))
        )


class ClassifierArgs(ClassifierSpec, _Served):
    """A classifier and its deployment options."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.25

    def spec(self) -> ClassifierSpec:
        return ClassifierSpec.model_validate(
            self.model_dump(include=set(ClassifierSpec.model_fields))
        )


class RerankerArgs(ClassifierArgs):
    """A cross-encoder for `/v1/rerank`, which also ranks by every embedding model."""

    task: Literal["rerank"] = "rerank"


class ModerationModelArgs(ClassifierArgs):
    """A classification model for `/v1/moderations`."""

    task: Literal["moderation"] = "moderation"


class ModerationRule(_Args):
    """A pattern of words (deployments/content/moderation/patterns.py) and the score of a text that
    has it."""

    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    score: Annotated[float, Field(gt=0, le=1)] = 0.9


class ModerationArgs(_Args):
    """Who judges texts at `/v1/moderations`.

    `default` is `rules` or the id of one of `models`. `rules` are patterns by category, beside the
    built-in ones where `builtin`. `threshold` is the score from which they flag a category.
    """

    default: str = RULES
    builtin: bool = True
    rules: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        tuple[Annotated[str, Field(min_length=1, max_length=500)] | ModerationRule, ...],
    ] = {}
    threshold: Annotated[float, Field(gt=0, le=1)] = DEFAULT_THRESHOLD
    models: tuple[ModerationModelArgs, ...] = ()

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        ids = [RULES, *(model.id for model in self.models)]
        if self.default not in ids:
            raise ValueError(f"moderation.default: '{self.default}' is not one of {', '.join(ids)}")
        return self


ServedArgs = ModelArgs | EmbeddingArgs | ClassifierArgs
AnyArgs = ServedArgs | ExternalArgs
TextModel = Annotated[
    ModelArgs | ProviderModelArgs, BeforeValidator(by_engine(ModelArgs, ProviderModelArgs))
]
Embedder = Annotated[
    EmbeddingArgs | ProviderEmbeddingArgs,
    BeforeValidator(by_engine(EmbeddingArgs, ProviderEmbeddingArgs)),
]


class IngressArgs(_Args):
    """The HTTP stage. One replica uses one core at roughly a thousand requests/s.

    `per_node` limits replicas on one node (None: no limit).
    """

    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    per_node: Annotated[int, Field(ge=1, le=100)] | None = None
    num_cpus: Annotated[float, Field(ge=0)] = 0.5


class LimiterArgs(_Args):
    """The authority of the tenants' limits.

    `embedded` are `shards` Limiter deployments of one replica each, which divide the tenants;
    `redis` needs MOBULA_REDIS_URL; `auto` is redis if that is set.
    """

    authority: Literal["auto", "embedded", "redis"] = "auto"
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.1


class SemanticArgs(_Args):
    """The semantic cache, for tenants whose plan has `semantic-cache`.

    `model` is an embedding model's id (None: off); at most the share `error` of its responses may
    be wrong. A response is wrong if its text differs from the model's own, or with `alike`, if the
    cosine similarity of the two is lower than that.
    """

    model: str | None = None
    error: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    alike: Annotated[float, Field(gt=0, le=1)] | None = None


class CacheArgs(_Args):
    """The response cache: equal requests of a tenant need no model.

    Each ingress replica has `memory_mib` (0: none). They share `shared_mib` in `shards` cache
    deployments (embedded) or a Redis (needs MOBULA_REDIS_URL); `auto` is Redis if that is set,
    embedded for several ingress replicas, off for one. `archive` is a folder in the home or an
    object store's URL, which survives restarts and holds `archive_mib`; entries there and in Redis
    are encrypted with the tenant's secret. A response is fresh for `fresh_s` seconds,
    stale-while-revalidate until `stale_s`, stale-if-error until `error_s`.
    """

    enabled: bool = True
    memory_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 128
    shared: Literal["auto", "embedded", "redis", "off"] = "auto"
    shared_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 256
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.1
    archive: str | None = None
    archive_mib: Annotated[int, Field(ge=1, le=1_073_741_824)] = 1024
    fresh_s: Annotated[float, Field(gt=0, le=2_592_000)] = 3_600.0
    stale_s: Annotated[float, Field(gt=0, le=2_592_000)] = 86_400.0
    error_s: Annotated[float, Field(gt=0, le=2_592_000)] = 259_200.0
    semantic: SemanticArgs = SemanticArgs()


class VideoArgs(_Args):
    """Clips of long recordings, made by jobs; docs/guides/video.md.

    Each of `replicas` (up to `max_replicas` while jobs wait) runs `jobs` at once, each with
    `side_by_side` tasks, for which Ray reserves `piece_cpus` each. `speech` is the model of speech
    recognition: base (Whisper base, which is installed), a folder, a downloaded faster-whisper
    model's name, or off; without one, captions need a transcript. Files are stored in `store`, a
    folder in the home or an object store's URL. `gpu`: encode and recognise speech on an NVIDIA GPU
    if one works. `texts`: the default text model writes descriptions and hashtags and may reorder
    clips; None: unless it is the shipped nano, which is worse than a template. `sandbox`:
    recordings are opened in sandboxed processes; "best-effort" opens them also if the kernel has no
    Landlock or seccomp, where a malicious file may compromise this machine.
    """

    enabled: bool = True
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.1
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    jobs: Annotated[int, Field(ge=1, le=64)] = 1
    side_by_side: Annotated[int, Field(ge=1, le=256)] = 2
    piece_cpus: Annotated[float, Field(ge=0)] = 0.0
    speech: str | None = "base"
    gpu: bool = True
    texts: bool | None = None
    store: Annotated[str, Field(min_length=1, max_length=1000)] = "blobs"
    max_form_mib: Annotated[int, Field(ge=1, le=10_240)] = 512
    sandbox: Literal["required", "best-effort"] = "required"

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        if self.max_replicas > 1 and self.max_replicas < self.replicas:
            raise ValueError(
                f"video.max_replicas: {self.max_replicas} is less than replicas, {self.replicas}"
            )
        return self


class ContentArgs(_Args):
    """The models for captions and posts.

    `providers` maps provider names in requests to model ids; every model id is also a provider.
    `default` is used if a request names none.
    """

    providers: dict[str, str] = {}
    default: str | None = None


class AppArgs(_Args):
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
