"""What callers notice while a dependency is away, as docs/guides/operations.md tells at length."""

STORE = (
    "Known keys, plans and limits stay in force, cached responses are served for 60 s; "
    "administration, sign-in and requests with an Idempotency-Key answer 503; usage, events and "
    "audit records are kept until it is back."
)
REDIS = (
    "What is leased of limits is spent, then a degraded mode admits a share of each rate and "
    "budgets answer 503; the shared cache tier is skipped."
)
LIMITER = (
    "What is leased of limits is spent, then a degraded mode admits a share of each rate and "
    "budgets answer 503."
)
SHARED_CACHE = "Replicas compute what another one has cached; equal requests are not joined."
ARCHIVE = "Cached responses do not survive restarts; what only the archive has is computed again."
BLOBS = "Uploads, imports and files answer 503; clip jobs fail and are tried again."
MODEL = "Requests for it go to its fallback models or answer 503, after `resilience.patience_s`."
PROVIDER = "Requests for it go to its fallback models, or answer 502 or 503."
TEXT = "Text analysis waits for it as long as a request may, at most 15 s, then answers 503."
MEDIA = "Requests with recordings or pictures wait for it, at most 15 s, then answer 503."
SEARCH = "Searches of collections wait for it, at most 15 s, then answer 503."
CLIPPER = "Clip jobs are accepted and wait."
SANDBOX_REQUIRED = "No recording is opened: uploads of videos and clip jobs fail."
SANDBOX_OPTIONAL = "Recordings are opened by processes that the kernel does not confine."
FFMPEG = "Videos cannot be probed or rendered: uploads of videos and clip jobs fail."
GCS = "Nothing scales and dead replicas are not replaced; the supervisor restarts the cluster."
CONTROLLER = "Nothing scales and dead replicas are not replaced until it is back; requests go on."
PROXY = "This node takes no requests from outside until Serve has restarted it."
WEBHOOKS = "Events reach their receivers late; none is lost while the store keeps them."
LIBRARY = "Scheduled posts are announced late; none is lost while the store keeps them."
HOME_DISK = (
    "The embedded database, the audit spill, the access log and files in the home cannot be "
    "written: administration answers 503, clip jobs fail."
)
SCRATCH_DISK = "Uploads answer 503; clip jobs fail and are tried again."
CLOCK = "Keys and tokens expire early or late; budgets and rates of replicas disagree."
COLLECTOR = "Traces are lost to the collector; each replica keeps its last 1,000. Requests go on."
