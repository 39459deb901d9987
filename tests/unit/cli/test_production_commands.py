"""Commands of a production installation: `manifests`, and `bootstrap` where nobody runs `up`."""

from pathlib import Path

import pytest
import yaml

from cluster.storage import migrate
from tests.command_line import run_command

BOOTSTRAP_KEY = "mob_" + "b" * 12 + "_" + "k" * 40


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path / "home"))


def invoke(*arguments: str) -> tuple[int, str]:
    result = run_command(list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["manifests", "bootstrap"])
def test_it_has_help(command: str) -> None:
    code, text = invoke(command, "--help")
    assert code == 0
    assert "Usage" in text


def test_manifests_go_to_a_folder(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("name: acme\nblobs: s3://bucket/prefix\n")

    code, text = invoke(
        "manifests",
        "kubernetes",
        "--values",
        str(values),
        "--out",
        str(tmp_path),
        "--allow-tags",
    )

    assert code == 0
    assert "1 files written" in text
    kinds = [each["kind"] for each in yaml.safe_load_all((tmp_path / "mobula.yaml").read_text())]
    assert kinds[-1] == "RayService"


@pytest.mark.parametrize("kind", ["compose", "images"])
def test_what_needs_no_values_is_printed_without_any(kind: str) -> None:
    code, text = invoke("manifests", kind, "--allow-tags")
    assert code == 0
    assert text.count("# ---- ") > 1


PIN = "@sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("compose", ["compose.redis", "compose.postgres", "compose.prometheus", "compose.grafana"]),
        ("kubernetes", ["image"]),
    ],
)
def test_images_without_a_digest_are_refused_by_their_field(
    kind: str, fields: list[str], tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("blobs: s3://bucket/prefix\n")
    code, text = invoke("manifests", kind, "--values", str(values))

    assert code == 1
    for field in fields:
        assert f"{field}: " in text
    assert "--allow-tags" in text


def test_images_with_digests_are_taken(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    pinned = {name: f"docker.io/library/{name}:1{PIN}" for name in ("redis", "postgres")}
    pinned |= {name: f"docker.io/x/{name}{PIN}" for name in ("prometheus", "grafana")}
    own = {"blobs": "s3://bucket/prefix", "image": f"registry.example.com/mobula{PIN}"}
    values.write_text(yaml.safe_dump({**own, "compose": pinned}))

    for kind in ("compose", "kubernetes"):
        code, text = invoke("manifests", kind, "--values", str(values))
        assert (code, text.count(PIN) > 0) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["helm"], "no manifests of 'helm'; kinds: kubernetes", id="kind"),
        pytest.param(["kubernetes"], "blobs: nodes share no disk", id="no object store"),
        pytest.param(["compose", "--values", "nowhere.yaml"], "cannot read nowhere", id="no file"),
    ],
)
def test_what_cannot_be_rendered_is_said(arguments: list[str], says: str) -> None:
    code, text = invoke("manifests", *arguments)
    assert code == 1
    assert says in text


def test_a_serve_configuration_that_the_application_would_refuse_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "serve.yaml"
    config.write_text("applications: [{name: m, args: {modles: []}}]")
    code, text = invoke("manifests", "kubernetes", "--config", str(config))
    assert code == 1
    assert "modles" in text


def test_a_serve_configuration_with_a_prefix_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "serve.yaml"
    args = "{models: [{id: nano}]}"
    own = f"{{name: m, import_path: 'graphs.app:build', route_prefix: /m, args: {args}}}"
    config.write_text(f"applications: [{own}]")
    code, text = invoke("manifests", "kubernetes", "--config", str(config))
    assert code == 1
    assert "route_prefix: '/m' is not served" in text


def test_bootstrap_makes_the_store_ready_and_again_does_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOBULA_BOOTSTRAP_KEY", BOOTSTRAP_KEY)
    for _ in range(2):
        code, text = invoke("bootstrap")
        assert code == 0
        assert BOOTSTRAP_KEY not in text
    assert (tmp_path / "home" / "mobula.db").exists()


@pytest.fixture
def _newer_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def newer(_url: str) -> None:
        raise migrate.SchemaTooNew("r9999")

    monkeypatch.setattr("cluster.auth.bootstrap.migrate", newer)


@pytest.mark.usefixtures("_newer_store")
def test_newer_tables_are_refused_unless_that_is_expected() -> None:
    code, text = invoke("bootstrap")
    assert code == 1
    assert "r9999" in text

    code, text = invoke("bootstrap", "--accept-newer")
    assert code == 0
    assert "nothing was changed" in text
