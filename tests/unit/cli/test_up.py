"""What `mobula up` refuses before it starts anything."""

from pathlib import Path

import pytest

from cluster.cli.up import run

CONFIG = """
applications:
  - name: mobula
    route_prefix: {prefix}
    import_path: graphs.app:build
    args: {{models: [{{id: nano, max_wait: 1}}]}}
"""


def test_what_deploy_would_refuse_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path / "home"))
    config = tmp_path / "serve.yaml"
    config.write_text(CONFIG.format(prefix="/mobula"))

    assert run(True, config, None, 1.0, "fast", logs=False) == 1

    errors = capsys.readouterr().err
    assert "route_prefix: '/mobula' is not served" in errors
    assert "args.models.0.max_wait: Extra inputs are not permitted" in errors
