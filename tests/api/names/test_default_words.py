"""Captions and posts that name no style, language or platform have those of the tenant."""

from typing import Any

import httpx
import pytest

from cluster.tenants.settings import TenantSettings
from tests.api.fakes import WordsModel
from tests.api.names.conftest import Settings

OURS = TenantSettings(
    default_style="minimal", default_language="Finnish", default_platform="facebook"
)


@pytest.mark.parametrize("path", ["captions", "posts", "captions/batch", "posts/batch"])
async def test_the_tenants_words_are_the_defaults(
    web: httpx.AsyncClient, tenant_settings: Settings, model: WordsModel, path: str
) -> None:
    async def asked(**named: str) -> tuple[str, str]:
        """The platform of the answer, and the prompt."""
        body: dict[str, Any] = {"topic": "tea", "model": "words", **named}
        is_batch = path.endswith("batch")
        sent = {"items": [body]} if is_batch else body
        answer = (await web.post(f"/api/v1/{path}", json=sent)).json()
        result = answer["results"][0]["result"] if is_batch else answer
        return result["platform"], str(model.requests[-1])

    usual, prompt = await asked()
    assert usual in ("instagram", "linkedin")
    assert "Finnish" not in prompt

    tenant_settings.by_tenant["acme"] = OURS
    platform, prompt = await asked()
    assert platform == "facebook"
    assert "Finnish" in prompt
    assert "minimal" in prompt

    platform, prompt = await asked(platform="tiktok", language="English", style="casual")
    assert platform == "tiktok"
    assert "Finnish" not in prompt
    assert "minimal" not in prompt
