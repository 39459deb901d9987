"""The Serve replica that opens recordings, pictures and documents of callers.

In: requests that name files of tenants, or have pictures, by link or handle. Out: what is in them,
how it sounds, what is said; pictures as pixels; documents as blocks of text. Long recordings are
jobs, which a replica takes from the queue by itself. A plain class: graphs/ makes the deployment of
it.
"""

from collections.abc import Iterable

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.version import VERSION
from deployments.clients.link.methods import (
    EXAMINE,
    MEASURE,
    READ_DOCUMENT,
    READ_IMAGES,
    TRANSCRIBE,
)
from deployments.clients.serve.node_check import check_store_to_start
from deployments.contracts.audio import MEDIA
from deployments.contracts.generation import ModelCard
from deployments.media.calls import MediaCalls
from deployments.media.config import MediaConfig
from deployments.media.late_worker import LateMediaWorker
from deployments.model.replica import LinkedReplica


class MediaReplica(MediaCalls, LinkedReplica):
    """It is ready at once; its worker starts with the first call, or a moment later: on a machine
    with few cores the cluster is ready sooner."""

    async def __init__(self, config: MediaConfig) -> None:  # type: ignore[misc]
        settings = self._begin(MEDIA)
        check_store_to_start(settings)
        self._created = int(SystemClock().wall())
        self._model = self._worker = LateMediaWorker(settings, config)
        self._serve(
            MEDIA,
            {
                EXAMINE: self.examine,
                MEASURE: self.measure,
                TRANSCRIBE: self.transcribe,
                READ_IMAGES: self.read_images,
                READ_DOCUMENT: self.read_document,
            },
        )

    async def card(self) -> ModelCard:
        return ModelCard(
            id=MEDIA,
            engine=MEDIA,
            source=MEDIA,
            revision=VERSION,
            context_length=0,
            created=self._created,
        )

    async def check_health(self) -> None:
        """Raises RuntimeError when the event loop is far behind, and the error that kept the worker
        from starting."""
        await super().check_health()
        self._worker.check()

    def _readings(self) -> Iterable[Reading]:
        return self._worker.read_metrics()
