"""One scrape: every replica once, this one always, and what did not answer."""

from collections.abc import Awaitable, Callable, Mapping

from cluster.metrics.catalogue import http, node, scrape
from cluster.metrics.replica_metrics import NamedReport
from cluster.metrics.series import Counter, MetricReport, MetricSet, Sample
from deployments.contracts.metrics import ClusterReports, DeploymentReports
from deployments.ingress.metrics.scrape import MetricsScrape


def opened(count: float) -> MetricReport:
    return {http.OPEN.name: [((), count)]}


def telling(report: MetricReport) -> Callable[[], Awaitable[MetricReport]]:
    async def tell() -> MetricReport:
        return report

    return tell


class Replicas:
    """A cluster whose replicas answer with these reports; this one is `own` of `Ingress`."""

    replica, deployment = "own", "Ingress"

    def __init__(self, answers: Mapping[str, DeploymentReports]) -> None:
        self.answers = answers

    async def collect(self) -> ClusterReports:
        return ClusterReports(self.answers, 1.5)


def of(*reports: NamedReport, missing: int = 0) -> DeploymentReports:
    return DeploymentReports(reports, missing)


async def test_alone_a_replica_tells_of_itself() -> None:
    text = (await MetricsScrape(telling(opened(4))).text(openmetrics=False)).decode()

    assert "\nmobula_http_open_requests 4\n" in text
    assert "\nmobula_build_info{version=" in text
    assert 'mobula_series{family="mobula_http_open_requests"} 1' in text


async def test_every_replica_is_there_once_and_this_one_by_its_own_word() -> None:
    peers = Replicas({"Ingress": of(("own", opened(1)), ("other", opened(2)))})
    text = (await MetricsScrape(telling(opened(9)), peers).text(openmetrics=True)).decode()

    found = [line for line in text.splitlines() if line.startswith("mobula_http_open_requests{")]

    assert found == [
        'mobula_http_open_requests{replica="other"} 2',
        'mobula_http_open_requests{replica="own"} 9',
    ]
    assert 'mobula_scrape_replicas{deployment="Ingress"} 2' in text


async def test_replicas_that_do_not_answer_are_counted_by_deployment() -> None:
    missing = Counter(scrape.MISSING)
    peers = Replicas({"Ingress": of(("own", opened(1))), "Model-nano": of(missing=2)})
    own = MetricSet(missing.read).report

    once = MetricsScrape(own, peers, missing=missing)
    await once.text(openmetrics=False)
    text = (await once.text(openmetrics=False)).decode()

    assert 'mobula_scrape_missing_total{deployment="Model-nano",replica="own"} 4' in text
    assert 'mobula_scrape_replicas{deployment="Model-nano"} 0' in text


async def test_without_serves_controller_this_replica_still_answers() -> None:
    text = (await MetricsScrape(telling(opened(3)), Replicas({})).text(openmetrics=False)).decode()
    assert 'mobula_http_open_requests{replica="own"} 3' in text
    assert 'mobula_scrape_replicas{deployment="Ingress"} 1' in text


async def test_a_large_scrape_is_complete() -> None:
    samples: list[Sample] = [((f"/{n}", "GET", "200"), 1) for n in range(10_000)]
    whole = MetricsScrape(telling({http.REQUESTS.name: samples}))
    text = (await whole.text(openmetrics=False)).decode()
    assert text.count("\nmobula_http_requests_total{") == len(samples)


async def test_a_node_is_reported_once_whichever_replica_does() -> None:
    def report(*nodes: str) -> MetricReport:
        return {node.CPU.name: [((name,), 0.5) for name in nodes]}

    replicas = Replicas(
        {"Ingress": of(("own", {}), ("other", report("n1")), ("more", report("n2")))}
    )
    text = (await MetricsScrape(telling(report("n1")), replicas).text(openmetrics=False)).decode()

    found = [line for line in text.splitlines() if line.startswith("mobula_node_cpu_ratio{")]
    assert found == ['mobula_node_cpu_ratio{node="n1"} 0.5', 'mobula_node_cpu_ratio{node="n2"} 0.5']


async def test_replicas_are_reported_by_state_and_so_is_a_deployment_without_any() -> None:
    answers = {
        "Ingress": DeploymentReports([("own", {})], states={"ready": 1, "starting": 2}, target=3),
        "Clipper": DeploymentReports([], 1, {"ready": 1, "starting": 0}, 1),
        "Model:big": DeploymentReports(states={"ready": 0, "starting": 0}, target=0),
    }
    text = (await MetricsScrape(telling({}), Replicas(answers)).text(openmetrics=False)).decode()

    for line in (
        'mobula_deployment_replicas{deployment="Ingress",state="starting"} 2',
        'mobula_deployment_replicas{deployment="Model:big",state="ready"} 0',
        'mobula_deployment_target_replicas{deployment="Ingress"} 3',
        'mobula_scrape_missing_replicas{deployment="Clipper"} 1',
        'mobula_scrape_missing_replicas{deployment="Ingress"} 0',
        "mobula_serve_status_age_seconds 1.5",
    ):
        assert f"\n{line}\n" in text, line
