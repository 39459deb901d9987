"""The failures of requests, as a class tree with HTTP status and slug.

    Problem                     500 internal-error
      InvalidRequest            400 invalid-request        out of range; names field and limit
        PromptTooLong           400 context-length-exceeded
        UnsupportedParameter    400 unsupported-parameter
        ContentRefused          400 content-policy-violation a provider's policy refuses the content
      Unauthenticated           401 unauthenticated
      Forbidden                 403 forbidden              names the scope
      NotFound                  404 not-found
        UnknownModel            404 unknown-model
      MethodNotAllowed          405 method-not-allowed
      RequestTimeout            408 request-timeout        the body did not arrive in time
      Conflict                  409 conflict
      PreconditionFailed        412 precondition-failed    it has changed since
      PayloadTooLarge           413 payload-too-large      names the limit in bytes
      UnsupportedMedia          415 unsupported-media-type
      UnsupportedEncoding       415 unsupported-content-encoding  names those that are
      UntrustedHost             421 untrusted-host
      Malformed                 422 malformed-payload      not the schema; a pointer for each error
      IdempotencyKeyReused      422 idempotency-key-reused the key stands for another request
      PreconditionRequired      428 precondition-required  the ETag that was seen is needed
      RateLimited               429 rate-limited           Retry-After; names the limit that was hit
        QuotaExceeded           429 quota-exceeded         a day's or month's budget is used up
          InsufficientQuota     429 insufficient-quota     what may be spent is spent
      ClientGone                499 client-gone            the client has disconnected
      GuardrailRefused          400 guardrail              names the policy, the rule, in or output
      GuardrailUnavailable      503 guardrail-unavailable  a text that cannot be checked
      MethodNotImplemented      501 method-not-implemented no route has this method
      NoTokenizer               501 no-tokenizer           the model's provider gives none
      NotInstalled              501 not-installed          what it takes is not installed here
      ModelFailed               502 model-failed
        ReplicaLost             502 replica-lost           a retry may succeed
      Overloaded                503 overloaded             Retry-After
        Draining                503 draining
        Unavailable             503 model-unavailable      no replica is available
      DeadlineExceeded          504 deadline-exceeded      names the stage that ran out
      NotCached                 504 not-cached             only-if-cached without a cached response

Each module has one subject; import them from here.
"""

from cluster.runtime.problems.base import (
    Problem,
    _rebuild,
    problem_parts,
    rebuild_problem,
    to_problem,
)
from cluster.runtime.problems.limits import (
    InsufficientQuota,
    QuotaExceeded,
    RateLimited,
    is_of_callers_limits,
)
from cluster.runtime.problems.requests import (
    Conflict,
    ContentRefused,
    Forbidden,
    GuardrailRefused,
    IdempotencyKeyReused,
    InvalidRequest,
    Malformed,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    PreconditionRequired,
    PromptTooLong,
    RequestTimeout,
    Unauthenticated,
    UnknownModel,
    UnsupportedEncoding,
    UnsupportedMedia,
    UnsupportedParameter,
    UntrustedHost,
)
from cluster.runtime.problems.service import (
    ClientGone,
    DeadlineExceeded,
    Draining,
    GuardrailUnavailable,
    MethodNotImplemented,
    ModelFailed,
    NotCached,
    NotInstalled,
    NoTokenizer,
    Overloaded,
    unknown_policy,
)

__all__ = [
    "ClientGone",
    "Conflict",
    "ContentRefused",
    "DeadlineExceeded",
    "Draining",
    "Forbidden",
    "GuardrailRefused",
    "GuardrailUnavailable",
    "IdempotencyKeyReused",
    "InsufficientQuota",
    "InvalidRequest",
    "Malformed",
    "MethodNotAllowed",
    "MethodNotImplemented",
    "ModelFailed",
    "NoTokenizer",
    "NotCached",
    "NotFound",
    "NotInstalled",
    "Overloaded",
    "PayloadTooLarge",
    "PreconditionFailed",
    "PreconditionRequired",
    "Problem",
    "PromptTooLong",
    "QuotaExceeded",
    "RateLimited",
    "RequestTimeout",
    "Unauthenticated",
    "UnknownModel",
    "UnsupportedEncoding",
    "UnsupportedMedia",
    "UnsupportedParameter",
    "UntrustedHost",
    "_rebuild",
    "is_of_callers_limits",
    "problem_parts",
    "rebuild_problem",
    "to_problem",
    "unknown_policy",
]
