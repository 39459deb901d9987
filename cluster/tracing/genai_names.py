"""Names of OpenTelemetry's semantic conventions, those for generative AI above all.

The only place where they are written. Source: `open-telemetry/semantic-conventions-genai` v0.1.0
(status Development: they may change), `open-telemetry/semantic-conventions` v1.38 for the others.
"""

from typing import Final

GENAI_VERSION: Final = "0.1.0"

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_CHOICES: Final = "gen_ai.request.choice.count"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"

# Values of OPERATION_NAME.
CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
EMBEDDINGS: Final = "embeddings"
CLASSIFY: Final = "classify"  # of ours, as the next three: the conventions name no such operation
ANALYZE: Final = "analyze"
TRANSCRIBE: Final = "transcribe"
SEARCH: Final = "search"

ERROR_TYPE: Final = "error.type"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
URL_PATH: Final = "url.path"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE: Final = "service.instance.id"

MOBULA: Final = "mobula"  # the value of PROVIDER_NAME
TENANT: Final = "mobula.tenant"
KEY_ID: Final = "mobula.key_id"
REQUEST_ID: Final = "mobula.request_id"
CACHE: Final = "mobula.cache"
PRIORITY: Final = "mobula.priority"
REPLICA: Final = "mobula.replica"
UPSTREAM: Final = "mobula.upstream"
ATTEMPTS: Final = "mobula.attempts"
ATTEMPT_KIND: Final = "mobula.attempt.kind"
FALLBACKS: Final = "mobula.fallbacks"
RECORDED: Final = "mobula.recorded"
