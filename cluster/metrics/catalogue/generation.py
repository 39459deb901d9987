"""What a replica of a text model does: its queue, its times, its tokens."""

from cluster.metrics.metric import LATENCY_S, TOKEN_S, counter, gauge, histogram

_MODEL = ("model",)
_MODELS = "configured ids of models"

RUNNING = gauge(
    "mobula_running",
    "Sequences that run.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
QUEUE_LENGTH = gauge(
    "mobula_queue_length",
    "Sequences that wait for a slot.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
QUEUE_WAIT = histogram(
    "mobula_queue_wait_seconds",
    "Seconds that requests waited for a slot.",
    source="model",
    labels=("model", "priority"),
    labels_from=f"{_MODELS}; interactive, standard, batch",
)
TIME_TO_FIRST_TOKEN = histogram(
    "mobula_time_to_first_token_seconds",
    "Seconds from a stream's arrival at the replica to its first token.",
    source="model",
    labels=_MODEL,
    buckets=LATENCY_S,
    labels_from=_MODELS,
)
TIME_PER_OUTPUT_TOKEN = histogram(
    "mobula_time_per_output_token_seconds",
    "Mean seconds between two tokens of a choice after its first one, of streams.",
    source="model",
    labels=_MODEL,
    buckets=TOKEN_S,
    labels_from=_MODELS,
)
DURATION = histogram(
    "mobula_generation_duration_seconds",
    "Seconds from a request's arrival at the replica to its complete response.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
SEQUENCES = counter(
    "mobula_generation_sequences_total",
    "Sequences that ended, by outcome.",
    source="model",
    labels=("model", "outcome"),
    labels_from=f"{_MODELS}; finished, cancelled, failed",
)
TOKENS = counter(
    "mobula_tokens_total",
    "Tokens that models took and generated for a replica's callers, once they are in the ledger.",
    source="ingress",
    labels=("model", "direction"),
    labels_from=f"{_MODELS}; input, output",
)
ENGINE_STEPS = counter(
    "mobula_engine_steps_total",
    "Steps of the engine; 0 where it does not count them.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
ENGINE_TOKENS = counter(
    "mobula_engine_tokens_total",
    "Tokens that the engine has generated, abandoned ones included; by steps: its mean batch.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
ENGINE_RUNNING = gauge(
    "mobula_engine_batch_size",
    "Sequences that the engine continues in one step now.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
ENGINE_WAITING = gauge(
    "mobula_engine_waiting",
    "Sequences that wait inside the engine.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
KV_USED = gauge(
    "mobula_kv_cache_used_ratio",
    "Tokens of open requests by what the key-value cache holds; only where its size is known.",
    source="model",
    labels=_MODEL,
    labels_from=_MODELS,
)
