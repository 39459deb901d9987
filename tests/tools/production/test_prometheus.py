"""What is rendered, in a real Prometheus: it starts with it, and sees each replica once."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.production.render import render
from cluster.production.values import Values, parse
from load_tests.benchmarks.common.prometheus_process import PrometheusProcess
from tests.servers.process import program, wait_until
from tests.tools.production.kubernetes_rendered import SERVE_CONFIG
from tests.tools.production.test_alert_rules import promtool

EXPOSED = b"# TYPE mobula_build_info gauge\nmobula_build_info 1\n"


class _Exposition(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(EXPOSED)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def exposition() -> Iterator[int]:
    """The port of something that answers scrapes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exposition)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_the_compose_projects_configuration_and_rules_are_accepted(tmp_path: Path) -> None:
    texts = render("compose", Values(), {})
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "mobula.yml").write_text(texts["rules/mobula.yml"])
    key = tmp_path / "key"
    key.write_text("mob_key")
    text = texts["prometheus.yml"].replace("/etc/prometheus/rules", str(rules))
    (tmp_path / "prometheus.yml").write_text(
        text.replace("/run/secrets/mobula_metrics_key", str(key))
    )

    checked = promtool("check", "config", str(tmp_path / "prometheus.yml"))

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_pods_that_become_one_target_are_scraped_once(exposition: int) -> None:
    """As the ServiceMonitor's relabelings make them; the operator's own ones come first."""
    values = parse({"blobs": "s3://b/p", "network": {"monitoring": "monitoring"}})
    [monitor] = [
        each
        for each in yaml.safe_load_all(
            render("kubernetes", values, SERVE_CONFIG)["monitoring.yaml"]
        )
        if each["kind"] == "ServiceMonitor" and each["metadata"]["name"] == "mobula-metrics"
    ]
    address, dropped = monitor["spec"]["endpoints"][0]["relabelings"]
    pods = [
        {"targets": [f"10.0.0.{number}:8000"], "labels": {"pod": f"mobula-{number}"}}
        for number in range(3)
    ]
    scrape = {
        "job_name": "mobula-metrics",
        "scrape_interval": "1s",
        "static_configs": pods,
        "relabel_configs": [
            {
                "action": address["action"],
                "target_label": address["targetLabel"],
                "replacement": f"127.0.0.1:{exposition}",  # for the service's name
            },
            dropped,
        ],
    }

    program("prometheus")
    with PrometheusProcess({"scrape_configs": [scrape]}) as prometheus:
        wait_until(
            lambda: bool(prometheus.ask("query", query="mobula_build_info")["result"]), "a scrape"
        )
        targets = prometheus.ask("targets", state="active")["activeTargets"]
        found = prometheus.ask("query", query="count(mobula_build_info)")["result"]

    assert len(targets) == 1
    assert [each["value"][1] for each in found] == ["1"]
