"""What acme has of recordings: a video, an upload, a job with a clip, a link to a file."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace

from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from deployments.contracts.jobs import NewJob
from deployments.contracts.media import MediaInfo
from deployments.video.catalog import Video, new_id, source_of
from deployments.video.config import VideoConfig
from deployments.video.job_spec import CLIPS
from deployments.video.probe.media_info_json import to_json
from deployments.video.services import MediaServices, media_services
from tests.media_fixtures.infos import picture

BYTES = b"a recording"


async def resolve(host: str, port: int) -> list[str]:
    """Every host name leads to one public address; nothing is asked of the network."""
    return ["93.184.215.14"]


def media_in(
    settings: Settings, database: Database, plan_of: Callable[[str], Plan]
) -> MediaServices:
    """Over the store and the files of a home."""
    grounds = SimpleNamespace(
        limiter=None,  # no job ends here
        database=database,
        guard=SsrfGuard(resolve=resolve),
        pepper=load_pepper(settings.home, settings),
        directory=SimpleNamespace(plan_of=plan_of, policies={}),
        is_active=lambda _: True,
    )
    media = media_services(settings, VideoConfig(), grounds, SystemClock())
    assert media is not None
    return media


async def video_in(media: MediaServices, tenant: str, info: MediaInfo, **changes: object) -> Video:
    """A video that is ready, whose bytes are none."""
    id_ = new_id()
    kept = await media.files.put(tenant, source_of(id_), BYTES, "video/mp4", None)
    video = Video(
        id_, tenant, "k", "talk.mp4", "ready", kept.path, kept.bytes, kept.sha256,
        {"info": to_json(info)}, None, SystemClock().wall(), None,
    )  # fmt: skip
    async with media.database.begin() as connection:
        await media.videos.add(connection, video)
        return await media.videos.change(connection, video, **changes) if changes else video


async def recorded(media: MediaServices) -> Mapping[str, str]:
    """The ids of what acme has, and a token that leads to its video's file."""
    video = await video_in(media, "acme", picture(120.0))
    upload = await media.uploads.create("acme", "k", "talk.mp4", 8, "")
    async with media.database.begin() as connection:
        job = await media.jobs.create(connection, NewJob("acme", CLIPS, "k", {}, video.id))
    await media.jobs.cancel("acme", job.id)
    token = media.links.sign("acme", video.path, 3600.0, "talk.mp4")
    return {"video": video.id, "upload": upload.id, "job": job.id, "token": token}
