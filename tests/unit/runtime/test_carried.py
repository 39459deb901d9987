"""What processes of different versions hand each other while a cluster is rolled."""

import pickle
from dataclasses import dataclass, field, fields

import pytest

from cluster.health import report
from cluster.runtime.pickle_compat import version_tolerant
from cluster.runtime.problems import Draining, Overloaded, Problem
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tracing import span
from deployments.cache.metrics import ReplicaCacheStats
from deployments.contracts import (
    audio,
    cache,
    classification,
    documents,
    embedding,
    generation,
    images,
    limits,
    links,
    moderation,
    scaling,
    search,
    text_analysis,
    tokenization,
)
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.health.config import HealthConfig, OwnCheckSpec
from deployments.ingress.names.spec import NameSettings
from deployments.limiter import layout
from deployments.limiter.authority import hand_over
from deployments.media.config import MediaConfig
from deployments.providers.config import ProvidersConfig
from deployments.search.config import SearchConfig

RULE = (
    "its fields changed. While a cluster is rolled, replicas of the last version send it to those "
    "of this one and the other way round: append fields at the end, with a default, and add them "
    "to this list; never move, rename or remove one. To get rid of a field, leave it unused."
)
PINNED: dict[type, str] = {
    Caller: "tenant key_id scopes plan kind weight expires team end_user",
    IngressConfig: "offer cache video resilience deployments scaling by_handle "
    "rerankers moderation providers names guardrails health has_text media search",
    SearchConfig: "enabled memory_bytes",
    MediaConfig: "enabled store speech short_s jobs max_form_bytes",
    audio.ExamineRequest: "request_id caller path limits timeout_s priority trace trace_state",
    audio.ExaminedFile: "sha256 bytes info",
    documents.DocumentLimits: "max_pages max_characters max_bytes",
    documents.ReadDocumentRequest: "request_id caller path name media_type password ocr first_page "
    "limits timeout_s priority trace trace_state",
    documents.DocumentBlock: "page kind text level box",
    documents.DocumentFacts: "format sha256 bytes pages title by",
    documents.DocumentPart: "facts blocks pages_done notes",
    search.CollectionVersion: "id generation sequence purged dimensions metric",
    search.SearchRequest: "request_id caller collection mode limit text vector filter min_score "
    "alpha fusion after with_text with_payload explain timeout_s priority trace trace_state",
    search.SearchHit: "id score text payload vector_score text_score vector_rank text_rank",
    search.SearchAnswer: "hits sequence matched is_exact",
    HealthConfig: "own replicas",
    OwnCheckSpec: "name url consequence is_private interval_s timeout_s first_status last_status",
    report.HealthReport: "replica node dependencies",
    report.DependencyStatus: "name kind state consequence since checked_at latency_s detail",
    ProvidersConfig: "models embeddings private_hosts",
    NameSettings: "spec served_names discovered",
    moderation.ModerationConfig: "default builtin rules thresholds",
    classification.ClassifyRequest: "request_id caller model texts query timeout_s priority trace "
    "trace_state",
    classification.Classification: "scores labels tokens model",
    text_analysis.TextPart: "start end text kind score",
    text_analysis.OperationResult: "by value reasons spans confidence supported install",
    text_analysis.AnalyzeRequest: "request_id caller texts operations options language timeout_s "
    "priority trace trace_state",
    text_analysis.OperationResults: "operation results",
    text_analysis.TextAnalysis: "parts",
    tokenization.TokenizeRequest: "request_id caller model prompt messages special named timeout_s "
    "tool_settings",
    tokenization.Tokenization: "ids limit model names",
    tokenization.DetokenizeRequest: "request_id caller model ids timeout_s",
    tokenization.Detokenization: "text model",
    ModelSettings: "default_provider providers output_caps costs prices providers_of",
    ReplicaCacheStats: "counts tiers semantic",
    cache.LeaseHeldElsewhere: "token",
    cache.LeaseAcquired: "token",
    cache.FollowResult: "state frames sealed",
    cache.TierStats: "hits misses bytes entries evictions errors",
    cache.SemanticStats: "entries compared hits checks errors error error_upper bound",
    embedding.EmbedRequest: "request_id caller model texts timeout_s priority dimensions "
    "token_ids input_types truncate trace trace_state",
    embedding.Embeddings: "vectors tokens model",
    generation.ToolCall: "id name arguments",
    generation.ToolCallDelta: "index id name arguments",
    generation.Tool: "name description parameters strict",
    generation.ToolSettings: "tools mode name parallel",
    generation.OutputFormat: "kind definition param",
    generation.Message: "role content tool_calls tool_call_id name images",
    generation.Sampling: "max_tokens temperature top_p top_k stop seed presence_penalty "
    "frequency_penalty logprobs ignore_eos min_p repetition_penalty logit_bias "
    "stop_token_ids",
    generation.GenerateRequest: "request_id caller model sampling messages prompt n timeout_s "
    "priority start_within_s call tool_settings output_format prompt_ids echo trace "
    "trace_state image_sources images",
    images.ImageSource: "param encoded url file path detail",
    images.DecodedImage: "width height digest pixels jpeg",
    images.ReadImagesRequest: "request_id caller sources max_edge as_pixels as_jpeg timeout_s "
    "priority trace trace_state",
    images.ReadImages: "images",
    generation.SettleRequest: "replica call",
    links.OpenLinkRequest: "replica exact",
    links.LinkOffer: "link secret host port version tls",
    generation.TokenUsage: "prompt_tokens completion_tokens cached_tokens reasoning_tokens "
    "is_estimated cost",
    generation.TokenLogprob: "token raw logprob top",
    generation.Chunk: "index text finish_reason logprobs usage tokens prompt_tokens model "
    "tool_calls stop refusal reasoning timing",
    generation.Choice: "index text finish_reason logprobs tool_calls stop refusal reasoning",
    generation.Completion: "choices usage model timing",
    generation.ModelCard: "id engine source revision context_length created parameters "
    "description capabilities tool_format provider max_image_edge",
    generation.ModelLoad: "running waiting submitted finished cancelled failed tokens_out handlers",
    limits.BucketSpec: "key kind capacity rate until spent",
    limits.LeaseRequest: "spec number acked holding adjust need waiting want",
    limits.LeaseGrant: "number credits level retry_after_s known elsewhere learning_s",
    limits.ExchangeResult: "epoch replicas grants continued",
    hand_over.ShardExchange: "layout granted_s replica epoch ttl_s requests",
    hand_over.ShardAnswer: "layout result",
    hand_over.HandOver: "layout buckets is_last is_whole knows_s is_pending",
    hand_over.MovedBucket: "key level ago_s capacity born_ago_s known lasts_s leases",
    hand_over.MovedLease: "number held granted adjusted ago_s seen_ago_s",
    span.SpanEvent: "name at attributes",
    span.SpanLink: "trace_id span_id",
    span.TraceSpan: "name trace_id span_id parent_id start end kind attributes error events links "
    "process",
    span.RecordedTrace: "request_id tenant reason spans",
    layout.ShardLayout: "version shards",
    scaling.ServeReplica: "replica state node address since is_moving",
    scaling.DeploymentState: "name status message target replicas ended",
    scaling.ServeSnapshot: "at deployments deployed_at",
    scaling.IngressReport: "standings calls open seen",
}
WORDS = {
    Priority: "interactive standard batch",
    limits.BucketKind: "rate budget slots",
}


@pytest.mark.parametrize("cls", PINNED, ids=lambda cls: cls.__name__)
def test_fields_of_what_crosses_are_only_ever_appended(cls: type) -> None:
    names = [each.name for each in fields(cls)]

    assert names == PINNED[cls].split(), f"{cls.__name__}: {RULE}"
    assert "__setstate__" in vars(cls), f"{cls.__name__} crosses versions: put @carried above it"


@pytest.mark.parametrize("cls", WORDS, ids=lambda cls: cls.__name__)
def test_words_that_the_last_version_does_not_know_are_not_sent_yet(
    cls: type[Priority | limits.BucketKind],
) -> None:
    assert [word.value for word in cls] == WORDS[cls].split(), (
        f"{cls.__name__}: replicas of the last version cannot read a new word; add it here, and "
        "send it first in the version after this one"
    )


def test_every_contract_between_ingress_and_model_is_pinned() -> None:
    defined = {
        cls
        for module in (generation, embedding, classification, tokenization, limits, scaling)
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__ and hasattr(cls, "__slots__")
    }
    dataclasses = {cls for cls in defined if hasattr(cls, "__dataclass_fields__")}

    assert dataclasses <= PINNED.keys(), "pin the fields of what was added"


@version_tolerant
@dataclass(frozen=True, slots=True)
class Old:
    name: str
    size: int = 1


@version_tolerant
@dataclass(frozen=True, slots=True)
class New:
    name: str
    size: int = 1
    words: tuple[str, ...] = ("a",)
    known: dict[str, int] = field(default_factory=dict)


@version_tolerant
@dataclass(frozen=True, slots=True)
class Strict:
    name: str
    size: int


@version_tolerant
@dataclass(frozen=True, slots=True)
class One:
    name: str


def read_as(value: object, cls: type) -> object:
    """Pickled as what it is, read by a process that knows the class as `cls`."""
    sent = pickle.dumps(value, protocol=0)
    return pickle.loads(sent.replace(type(value).__name__.encode(), cls.__name__.encode()))


def test_a_value_survives_its_own_version() -> None:
    for value in (New("x", 2, ("b",), {"c": 1}), One("x"), One("")):
        assert pickle.loads(pickle.dumps(value)) == value


def test_what_an_older_version_left_out_has_its_default() -> None:
    assert read_as(Old("x", 2), New) == New("x", 2, ("a",), {})


def test_defaults_are_not_shared() -> None:
    first, second = read_as(Old("x"), New), read_as(Old("x"), New)

    assert isinstance(first, New)
    assert isinstance(second, New)
    assert first.known is not second.known


def test_what_a_newer_version_added_is_left_out() -> None:
    assert read_as(New("x", 2, ("b",), {"c": 1}), Old) == Old("x", 2)


def test_a_field_without_a_default_that_was_not_sent_is_named() -> None:
    with pytest.raises(TypeError, match="Strict.size was not sent"):
        read_as(One("x"), Strict)


def test_a_scope_of_a_newer_version_is_a_word_that_opens_nothing() -> None:
    caller = Caller("acme", "k1", frozenset({Scope.GENERATE}))
    sent = pickle.dumps(caller, protocol=0).replace(b"generate", b"teleport")

    read = pickle.loads(sent)

    assert read.scopes == {"teleport"}
    assert not any(read.allows(scope) for scope in Scope)
    assert pickle.loads(pickle.dumps(caller)) == caller


class Melting(Draining):
    slug, title = "melting", "It melts"


class Unseen(Overloaded):
    slug = "unseen"


Melting.__module__ = "cluster.newer_problems"  # which only the sending version has
Unseen.__qualname__ = "Unseen.which_was_removed"


def test_a_problem_that_is_unknown_here_becomes_its_nearest_base() -> None:
    read = pickle.loads(pickle.dumps(Melting("Too hot.", retry_after_s=3.0)))

    assert type(read) is Draining
    assert (read.detail, read.extensions) == ("Too hot.", {"retry_after_s": 3.0})
    assert read.headers == {"Retry-After": "3"}


def test_a_class_that_was_removed_becomes_its_base() -> None:
    assert type(pickle.loads(pickle.dumps(Unseen("x")))) is Overloaded


@pytest.mark.parametrize("cls", [Draining, Overloaded, Problem])
def test_a_problem_that_is_known_keeps_its_type(cls: type[Problem]) -> None:
    assert type(pickle.loads(pickle.dumps(cls("x")))) is cls
