"""The application with recordings that nobody hears: real files, a scripted recognizer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import openai
from starlette.types import ASGIApp

from deployments.ingress.audio import AudioServices
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.pipeline.audio_pipeline import AudioPipeline
from deployments.ingress.pipeline.guarded_pipeline import RequestGuards
from deployments.ingress.services import AppServices
from deployments.media.config import MediaConfig
from deployments.media.recordings import Recordings
from tests.api.clips.clip_world import ClipWorld, opened
from tests.api.fakes import Records
from tests.api.videos.media_world import PLAIN, application, film, look
from tests.api.web import client_of
from tests.media_fixtures.scripted_speech import LocalMediaReader, ScriptedRecognizer

MAX_BYTES = 4_096
URL = "http://mobula.test/v1"
TRANSCRIPTIONS, TRANSLATIONS, ANALYSES = (
    "/v1/audio/transcriptions", "/v1/audio/translations", "/api/v1/audio",
)  # fmt: skip


@dataclass
class AudioWorld:
    """One running application. `clips.plan` may be set before a request."""

    clips: ClipWorld
    audio: AudioServices
    services: AppServices
    records: Records
    recognizer: ScriptedRecognizer
    app: ASGIApp

    def use(self, audio: AudioServices) -> None:
        """Other services from now on."""
        self.audio, self.services = audio, replace(self.services, audio=audio)
        self.app = application(self.services)

    def client(self, key: str | None = PLAIN) -> httpx.AsyncClient:
        return client_of(self.app, key)

    def openai(self, key: str = PLAIN) -> openai.AsyncOpenAI:
        """OpenAI's own client, unmodified."""
        return openai.AsyncOpenAI(
            api_key=key, base_url=URL, http_client=self.client(None), max_retries=0
        )

    def handles(self) -> HandleApi:
        return HandleApi(self.services)

    async def post(
        self,
        path: str = TRANSCRIPTIONS,
        content: bytes | None = None,
        *,
        key: str | None = PLAIN,
        name: str = "talk.mp3",
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """A form with a file and fields."""
        files = {"file": (name, film() if content is None else content, "audio/mpeg")}
        async with self.client(key) as client:
            return await client.post(path, files=files, data=fields, headers=headers)

    async def stored(self) -> int:
        """Bytes of files of acme."""
        return await self.audio.files.used("acme")

    def seconds_used(self) -> list[int]:
        """What each call that was recorded is charged."""
        return [amounts.audio_seconds for _, model, amounts in self.records.usage]


@asynccontextmanager
async def opened_audio(
    folder: Path,
    bare: AppServices,
    records: Records,
    guards: RequestGuards | None = None,
    **changes: Any,
) -> AsyncIterator[AudioWorld]:
    async with opened(folder, bare, records) as clips:
        media, recognizer = clips.media, ScriptedRecognizer()
        reader = LocalMediaReader(Recordings(media.files, folder / "scratch", look), recognizer)
        audio = AudioServices(
            media.database,
            media.files,
            media.jobs,
            AudioPipeline(reader, records, guards),
            media.guard,
            MediaConfig(speech="base", max_form_bytes=MAX_BYTES),
            lambda _: clips.plan,
            bare.clock,
            media.videos,
        )
        services = replace(clips.services, audio=audio, **changes)
        app = application(services)
        yield AudioWorld(clips, audio, services, records, recognizer, app)
