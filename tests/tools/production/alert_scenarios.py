"""What makes each alert rule fire, as series over time, and what it then tells."""

from tests.tools.production.alert_course import Course, Scenario, counter, gauge


def _up(dependency: str) -> str:
    return f'mobula_dependency_up{{job="m",replica="i1",dependency="{dependency}"}}'


def _outcome(outcome: str) -> str:
    return f'mobula_http_outcomes_total{{job="m",replica="i1",outcome="{outcome}"}}'


def _sequences(outcome: str) -> str:
    labels = f'job="m",replica="n1",model="nano",outcome="{outcome}"'
    return f"mobula_generation_sequences_total{{{labels}}}"


def _tenant(tenant: str, outcome: str) -> str:
    labels = f'job="m",replica="i1",tenant="{tenant}",outcome="{outcome}"'
    return f"mobula_tenant_requests_total{{{labels}}}"


def _bucket(name: str, labels: str, le: str, suffix: str = "bucket") -> str:
    bound = f',le="{le}"' if suffix == "bucket" else ""
    return f'{name}_{suffix}{{job="m",replica="n1",{labels}{bound}}}'


_FIRST = "mobula_time_to_first_token_seconds"
_WAIT = "mobula_queue_wait_seconds"
_STORE = "mobula_store_transaction_seconds"
_OF_JOBS = "mobula_job_duration_seconds"
_FAILING = {
    _outcome("ok"): counter(10, 5),
    _outcome("server_error"): counter(0, 5),
    _outcome("left"): counter(1, 1),
}
_LATE = {
    _bucket(_FIRST, 'model="nano"', "2.5"): counter(10, 5),
    _bucket(_FIRST, 'model="nano"', "+Inf"): counter(10, 10),
    _bucket(_FIRST, 'model="nano"', "", "count"): counter(10, 10),
}
_DISK = 'mobula_node_disk{}_bytes{{job="m",node="n",disk="home",replica="i1"}}'
_MEMORY = 'mobula_node_memory{}_bytes{{job="m",node="n",replica="i1"}}'
_OF_REPLICA = 'job="m",deployment="Ingress",replica="i{}"'
_BUDGET = 'job="m",replica="i1",tenant="acme",limit="tokens_day"'
_DIED = "mobula_deployment_replicas_died_total"
_HOUR, _DAY = 3600, 86_400


def _ended_ingress(replicas: int) -> dict[str, Course]:
    """Three replicas of an ingress that is to have `replicas` end, and one is there."""
    courses = [gauge(20, 20), *3 * [gauge(20, None)]]
    threads = "mobula_process_threads{{{}}}"
    target = 'mobula_deployment_target_replicas{job="m",deployment="Ingress"}'
    series = {
        threads.format(_OF_REPLICA.format(number)): course for number, course in enumerate(courses)
    }
    return {**series, target: gauge(replicas, replicas)}


SCENARIOS = (
    Scenario(
        "MobulaAvailabilityBurnFast",
        _FAILING,
        "Requests fail at the server: 9.792% of them over the last 1h, where 0.10% is what the "
        "objective allows.",
    ),
    Scenario(
        "MobulaAvailabilityBurnMedium",
        {_outcome("ok"): counter(10, 9.8), _outcome("server_error"): counter(0, 0.2)},
        "Requests fail at the server: 1.328% of them over the last 6h, where 0.10% is what the "
        "objective allows.",
        window_s=1800,
        begins_s=6 * _HOUR,
        lasts_s=4 * _HOUR,
        step_s=60,
    ),
    Scenario(
        "MobulaAvailabilityBurnSlow",
        {_outcome("ok"): counter(10, 9.96), _outcome("server_error"): counter(0, 0.04)},
        "Requests fail at the server: 0.1997% of them over the last 3d, where 0.10% is what the "
        "objective allows.",
        window_s=6 * _HOUR,
        begins_s=_DAY,
        lasts_s=_DAY,
        step_s=300,
    ),
    Scenario(
        "MobulaFirstTokenBurnFast",
        _LATE,
        "Streams begin late: 24.79% of them over the last 1h, where 1.00% is what the objective "
        "allows.",
        lasts_s=1800,
    ),
    Scenario(
        "MobulaFirstTokenBurnMedium",
        _LATE,
        "Streams begin late: 8.194% of them over the last 6h, where 1.00% is what the objective "
        "allows.",
        window_s=1800,
        begins_s=6 * _HOUR,
        lasts_s=_HOUR,
        step_s=60,
    ),
    Scenario(
        "MobulaFirstTokenBurnSlow",
        _LATE,
        "Streams begin late: 5.418% of them over the last 3d, where 1.00% is what the objective "
        "allows.",
        window_s=6 * _HOUR,
        begins_s=_DAY,
        lasts_s=3 * _HOUR,
        step_s=300,
    ),
    Scenario(
        "MobulaModelFailing",
        {_sequences("finished"): counter(1, 0.5), _sequences("failed"): counter(0, 0.5)},
        "50% of the sequences of nano failed in the last 5 minutes.",
        {"model": "nano"},
        summary="Model nano fails",
    ),
    Scenario(
        "MobulaBreakerOpen",
        {
            'mobula_breaker_state{job="m",replica="i1",model="nano"}': gauge(0, 0),
            'mobula_breaker_state{job="m",replica="i2",model="nano"}': gauge(0, 2),
        },
        "Calls of nano failed so often that an ingress replica makes none: callers get a fallback"
        " model or 503.",
        {"model": "nano"},
        window_s=0,
        summary="The circuit breaker of model nano is open",
    ),
    Scenario(
        "MobulaModelDown",
        {_up("model:nano"): gauge(1, 0), _up("model:qwen"): gauge(1, 1)},
        "It has no replica or upstream that works: requests for it go to its fallback models or "
        "answer 503.",
        {"dependency": "model:nano"},
        window_s=0,
        summary="model:nano answers nobody",
    ),
    Scenario(
        "MobulaProviderDown",
        {
            'mobula_provider_upstream_up{job="m",replica="i1",model="gpt",upstream="eu"}': gauge(
                1, 0
            ),
            'mobula_provider_upstream_up{job="m",replica="i1",model="gpt",upstream="us"}': gauge(
                1, 1
            ),
        },
        "Calls of gpt go to its other upstreams and fallbacks, or answer 502.",
        {"model": "gpt", "upstream": "eu"},
        window_s=0,
        summary="Upstream eu of model gpt does not answer",
    ),
    Scenario(
        "MobulaQueueWait",
        {
            _bucket(_WAIT, 'model="nano",priority="standard"', "5.12"): counter(1, 0),
            _bucket(_WAIT, 'model="nano",priority="standard"', "10.24"): counter(1, 1),
            _bucket(_WAIT, 'model="nano",priority="standard"', "+Inf"): counter(1, 1),
        },
        "The slowest twentieth waited 9.984s or more in the last 5 minutes.",
        {"model": "nano"},
        summary="Requests for nano wait for a slot",
    ),
    Scenario(
        "MobulaTenantFailing",
        {
            _tenant("acme", "ok"): counter(1, 0.1),
            _tenant("acme", "server_error"): counter(0, 0.9),
            _tenant("other", "ok"): counter(9, 9),
            _outcome("ok"): counter(10, 9.1),
            _outcome("server_error"): counter(0, 0.9),
        },
        "90% of the requests of acme failed at the server in the last 5 minutes, while others' do"
        " not.",
        {"tenant": "acme"},
        summary="Requests of tenant acme fail",
    ),
    Scenario(
        "MobulaStoreDown",
        {'mobula_store_up{job="m",replica="i1"}': gauge(1, 0)},
        "Known keys and limits stay in force; administration, sign-in and requests with an "
        "Idempotency-Key answer 503. Usage, events and audit records wait in memory.",
        window_s=0,
    ),
    Scenario(
        "MobulaStoreSlow",
        {
            _bucket(_STORE, 'kind="write"', "0.64"): counter(1, 0),
            _bucket(_STORE, 'kind="write"', "2.56"): counter(1, 1),
            _bucket(_STORE, 'kind="write"', "+Inf"): counter(1, 1),
        },
        "The slowest twentieth of its transactions takes 2.464s or more.",
        {"kind": "write"},
        summary="The store is slow: write",
    ),
    Scenario(
        "MobulaLedgerBehind",
        {'mobula_ledger_unwritten_seconds{job="m",replica="i1"}': gauge(0.5, 90)},
        "For 1m 30s usage has waited in an ingress replica: budgets and reports lack it until it "
        "is written.",
        window_s=0,
    ),
    Scenario(
        "MobulaRecordsLost",
        {'mobula_lost_total{job="m",replica="i1",what="audit"}': counter(0, 0.1)},
        "About 90 records in 15 minutes could not be kept: the store was away for longer than the"
        " buffers last.",
        {"what": "audit"},
        window_s=900,
        summary="Records of audit were lost",
    ),
    Scenario(
        "MobulaDirectoryStale",
        {
            'mobula_directory_age_seconds{job="m",replica="i1"}': gauge(1, 1),
            'mobula_directory_age_seconds{job="m",replica="i2"}': gauge(1, 120),
        },
        "New keys, plans and revocations do not reach it until it reads the store again.",
        window_s=0,
        summary="A replica has not read tenants and keys for 2m 0s",
    ),
    Scenario(
        "MobulaRedisDown",
        {_up("redis"): gauge(1, 0)},
        "What is leased of limits is spent, then a degraded mode admits a share of each rate and "
        "budgets answer 503; the shared cache tier is skipped.",
        {"dependency": "redis"},
        window_s=0,
    ),
    Scenario(
        "MobulaLimiterDegraded",
        {
            'mobula_limit_authority_up{job="m",replica="i1"}': gauge(1, 0),
            _up("limiter"): gauge(1, 0),
        },
        "An ingress replica cannot reach the limits' authority (Redis or the limiter's shards): "
        "after what is leased, a share of each rate is admitted and budgets answer 503.",
        window_s=0,
    ),
    Scenario(
        "MobulaCacheErrors",
        {'mobula_cache_errors_total{job="m",replica="i1",tier="l2"}': counter(0, 2)},
        "2 calls a second fail; responses that only this tier has are computed again.",
        {"tier": "l2"},
        summary="Calls of the cache's tier l2 fail",
    ),
    Scenario(
        "MobulaDependencyDown",
        {_up("haproxy"): gauge(1, 0), _up("store"): gauge(1, 1)},
        "An ingress replica finds it down; `./mobula health` says why, since when, and what that "
        "means for callers.",
        {"dependency": "haproxy"},
        window_s=0,
        summary="haproxy is down",
    ),
    Scenario(
        "MobulaDiskFull",
        {_DISK.format(""): gauge(100e9, 100e9), _DISK.format("_free"): gauge(50e9, 2e9)},
        "2% of the disk for home of node n are free: uploads and clip jobs fail, and with the "
        "home full nothing is recorded.",
        {"node": "n", "disk": "home"},
        window_s=0,
    ),
    Scenario(
        "MobulaDiskFilling",
        {
            _DISK.format(""): gauge(100e9, 100e9),
            _DISK.format("_free"): Course(50e9, 25e9, falls_by=500e3),
        },
        "14.21% are free, and it fills at the pace of the last 6 hours.",
        {"node": "n", "disk": "home"},
        window_s=6 * _HOUR,
        begins_s=6 * _HOUR,
        lasts_s=6 * _HOUR,
        settles_s=0,
        summary="Disk home of node n will be full within a day",
    ),
    Scenario(
        "MobulaNodeMemory",
        {_MEMORY.format(""): gauge(8e9, 8e9), _MEMORY.format("_available"): gauge(4e9, 0.2e9)},
        "2.5% are available: Ray ends replicas before the kernel.",
        {"node": "n"},
        window_s=0,
        summary="Node n has hardly any memory left",
    ),
    Scenario(
        "MobulaCertificateExpires",
        {
            'mobula_certificate_expiry_time_seconds{job="m",replica="i1"}': gauge(
                90 * _DAY, 3 * _DAY
            )
        },
        "Then no client that checks certificates connects.",
        window_s=0,
        summary="The TLS certificate expires in 2d 22h 45m 15s",
    ),
    Scenario(
        "MobulaOperatorKeyExpires",
        {
            'mobula_operator_key_expiry_time_seconds{job="m",replica="i1"}': gauge(
                90 * _DAY, 3 * _DAY
            )
        },
        "It administers the cluster or reads its metrics: whoever uses it is refused then, "
        "Prometheus included.",
        window_s=0,
        summary="A key of the operator's expires in 2d 22h 45m 15s",
    ),
    Scenario(
        "MobulaBudgetNearEnd",
        {
            f"mobula_budget_used_ratio{{{_BUDGET}}}": gauge(0.6, 0.97),
        },
        "97% of tokens_day; what goes beyond is refused.",
        {"tenant": "acme", "limit": "tokens_day"},
        window_s=0,
        summary="Tenant acme has used up nearly all of a budget",
    ),
    Scenario(
        "MobulaJobsStuck",
        {'mobula_job_oldest_wait_seconds{job="m",replica="c1"}': gauge(5, 2400)},
        "No worker takes jobs, or all of them are busy with others.",
        window_s=0,
        summary="The oldest job has waited for 40m 0s",
    ),
    Scenario(
        "MobulaJobsFailing",
        {
            _bucket(_OF_JOBS, f'kind="video.clips",outcome="{outcome}"', "", "count"): course
            for outcome, course in {
                "finished": counter(0.1, 0.01),
                "failed": counter(0, 0.1),
            }.items()
        },
        "0.1 attempts a second fail or lose their worker.",
        {"kind": "video.clips"},
        window_s=900,
        summary="More jobs of video.clips fail than finish",
    ),
    Scenario(  # none has ever finished
        "MobulaJobsFailing",
        {_bucket(_OF_JOBS, 'kind="video.clips",outcome="failed"', "", "count"): counter(0, 0.1)},
        "0.1 attempts a second fail or lose their worker.",
        {"kind": "video.clips"},
        window_s=900,
        summary="More jobs of video.clips fail than finish",
    ),
    Scenario(
        "MobulaSearchMemoryShort",
        {
            'mobula_search_queries_total{job="m",replica="s1",outcome="finished"}': counter(0, 10),
            'mobula_search_evictions_total{job="m",replica="s1"}': counter(0, 5),
        },
        "For 50% of the searches another collection left the memory.",
        summary="Searches wait for collections that are not in memory",
    ),
    Scenario(
        "MobulaWebhooksFailing",
        {
            f'mobula_webhook_deliveries_total{{job="m",replica="i1",outcome="{outcome}"}}': course
            for outcome, course in {
                "delivered": counter(1, 0.1),
                "retried": counter(0, 0.8),
                "failed": counter(0, 0.1),
            }.items()
        },
        "0.9 attempts a second fail. Each is tried again for hours.",
    ),
    Scenario(  # nothing has been delivered yet: there is no series to compare with
        "MobulaWebhooksFailing",
        {
            'mobula_webhook_deliveries_total{job="m",replica="i1",outcome="retried"}': counter(
                0, 0.8
            )
        },
        "0.8 attempts a second fail. Each is tried again for hours.",
    ),
    Scenario(
        "MobulaWebhooksBacklog",
        {'mobula_webhook_oldest_due_seconds{job="m",replica="i1"}': gauge(1, 1200)},
        "The oldest has been due for 20m 0s.",
        window_s=0,
    ),
    Scenario(
        "MobulaReplicasDying",
        {
            f'{_DIED}{{job="m",deployment="Model:nano",replica="i{number}"}}': counter(0, 0.01)
            for number in range(2)
        },
        "9 of them ended within 15m, without a deploy or the scaling that asked for it.",
        {"deployment": "Model:nano"},
        window_s=900,
        summary="Replicas of Model:nano end again and again",
    ),
    Scenario(  # nobody outlives them who could count
        "MobulaReplicasDying",
        _ended_ingress(replicas=1),
        "3 of them ended within 15m, without a deploy or the scaling that asked for it.",
        {"deployment": "Ingress"},
        lasts_s=840,
        settles_s=0,
        summary="Replicas of Ingress end again and again",
    ),
    Scenario(
        "MobulaReplicasMissing",
        {
            'mobula_deployment_target_replicas{job="m",deployment="Ingress"}': gauge(2, 2),
            'mobula_deployment_replicas{job="m",deployment="Ingress",state="ready"}': gauge(2, 1),
        },
        "1 are missing: no room for them on the nodes, or they do not start.",
        {"deployment": "Ingress"},
        window_s=0,
        summary="Ingress has fewer replicas than it is to have",
    ),
    Scenario(
        "MobulaControllerSilent",
        {'mobula_serve_status_age_seconds{job="m"}': gauge(1, 300)},
        "Nothing scales and dead replicas are not replaced until it is back; requests go on.",
        window_s=0,
        summary="Serve's controller has said nothing for 5m 0s",
    ),
    Scenario(
        "MobulaLoopLag",
        {f"mobula_event_loop_lag_seconds{{{_OF_REPLICA.format(1)}}}": gauge(0.01, 0.8)},
        "By 800ms, in i1: everything it does takes that much longer.",
        {"deployment": "Ingress", "replica": "i1"},
        window_s=0,
        summary="The event loop of a replica of Ingress is late",
    ),
    Scenario(
        "MobulaMemoryLeak",
        {
            f"mobula_process_resident_memory_bytes{{{_OF_REPLICA.format(1)}}}": Course(
                400e6, 400e6, falls_by=-60e3
            )
        },
        "By 206MiB an hour, in i1.",
        {"deployment": "Ingress", "replica": "i1"},
        window_s=3600,
        lasts_s=2 * _HOUR,
        settles_s=1200,
        summary="A replica of Ingress grows without end",
    ),
    Scenario(
        "MobulaScrapeMissing",
        {'mobula_scrape_missing_replicas{job="m",deployment="Model:nano"}': gauge(0, 1)},
        "1 run, and do not answer within a second: what is shown of them is incomplete.",
        {"deployment": "Model:nano"},
        window_s=0,
        summary="Replicas of Model:nano are missing in scrapes",
    ),
    Scenario(
        "MobulaUnreachable",
        {'mobula_build_info{job="m",version="1"}': gauge(1, None)},
        "No ingress replica answers its scrapes: it is down, or Prometheus' key or address is "
        "wrong. No other alert can fire meanwhile.",
        window_s=300,
        settles_s=0,
    ),
)

# What looks like a fault of the rule and is none.
HARMLESS = (
    Scenario("MobulaReplicasDying", _ended_ingress(replicas=3), "", {}, lasts_s=840),  # a deploy
)
