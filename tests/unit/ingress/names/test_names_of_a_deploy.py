"""Names that a deploy gives to the ingress alone go before those of the arguments."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.cache.config import CacheConfig
from deployments.ingress import deployment, process_setup
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.names.spec import dump_settings, load_settings
from deployments.video.config import VideoConfig
from load_tests.benchmarks.common.ingress_without_tenancy import IngressWithoutTenancy
from tests.api.fakes import LettersEmbedder, WordsModel
from tests.unit.ingress.names.conftest import settings

ALIASES: dict[str, object] = {
    "gpt-4o": "words",
    "vendor/*": "{}",
    "canary": {"weights": {"words": 9, "spare": 1}, "sticky": "user"},
    "routed": {
        "rules": [{"days": ["mon"], "hours": "22:00-06:00", "to": {"weights": {"spare": 1}}}],
        "otherwise": "words",
    },
}


def test_names_survive_their_way_through_the_environment() -> None:
    given = settings(ALIASES, {"words": ("house",)}, default="canary")

    assert load_settings(dump_settings(given)) == given


@pytest.mark.parametrize("is_deployed", [False, True])
def test_an_ingress_replica_takes_those_of_its_environment(
    is_deployed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = SimpleNamespace(
        models={"words": WordsModel(), "spare": WordsModel()},
        embedders={"letters": LettersEmbedder()},
        classifiers={},
        shared=None,
        analyzer=None,
        media_reader=None,
        collection_search=None,
    )
    monkeypatch.setattr(deployment, "ServeBackends", lambda *_, **__: backends)
    monkeypatch.setattr(deployment, "check_store_to_start", lambda *_: None)
    for name in ("configure_logging", "collect_rarely"):
        monkeypatch.setattr(process_setup, name, lambda *_: None)
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))
    if is_deployed:
        monkeypatch.setenv("MOBULA_INGRESS_NAMES", dump_settings(settings(ALIASES)))
    config = IngressConfig(
        ModelSettings("words", {}, {}, {}),
        CacheConfig(),
        VideoConfig(enabled=False),
        names=settings({"old": "words"}),
    )
    ingress = IngressWithoutTenancy({}, {}, [], [], config)

    listed = ingress._services.models.names.listed(lambda _: True)
    new = {"gpt-4o", "canary", "routed", "vendor/words", "vendor/spare", "vendor/letters"}
    assert listed.keys() - {"vendor/rules"} == (new if is_deployed else {"old"})
