"""The web application with stored files behind it, on SQLite and a folder."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.blobs.files import TenantFiles
from cluster.blobs.links import DownloadLinks
from cluster.blobs.store import BlobStore
from cluster.runtime.clock import ManualClock
from cluster.tenants.plan import Plan
from deployments.ingress.http.app import create_api
from deployments.ingress.http.middleware import wrap
from deployments.ingress.operations import operations
from deployments.ingress.routes.files import router
from tests.api.files.linked_media import DATA, LIFE_S, Media, WithMedia
from tests.api.videos.media_world import store_in
from tests.api.web import MakeServices, client_of


@pytest.fixture
async def media(tmp_path: Path) -> AsyncIterator[Media]:
    """Holds `clip` of the tenant `acme`: DATA."""
    database = store_in(tmp_path)
    clock, store = ManualClock(), BlobStore(str(tmp_path / "blobs"))
    files = TenantFiles(database, store, clock, lambda _: Plan(id="default"))
    await files.put("acme", "clip", DATA, "video/mp4", clock.wall() + 10 * LIFE_S)
    yield Media(files, DownloadLinks(b"p" * 32, clock), clock)
    await database.close()


@pytest.fixture
def with_media(make_services: MakeServices) -> WithMedia:
    """Every layer and error handler of the real application."""

    def make(media: Media | None) -> ASGIApp:
        services = make_services()
        api = create_api(services, operations(services))
        api.include_router(router)
        api.state.services = SimpleNamespace(media=media)
        return wrap(api, services)

    return make


@pytest.fixture
async def client(with_media: WithMedia, media: Media) -> AsyncIterator[httpx.AsyncClient]:
    """Presents no key."""
    async with client_of(with_media(media), key=None) as client:
        yield client
