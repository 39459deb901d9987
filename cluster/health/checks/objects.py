"""Whether a folder or a bucket takes an object and gives it back."""

from cluster.health.state import UP, CheckOutcome, down
from cluster.storage.object_store import ERRORS, ObjectStore, RemoteTimeouts

PATH = "health/probe"  # one object, which every replica writes
CONTENT = b"written by health checks"
TIMEOUT_S = 5.0
_TIMEOUTS = RemoteTimeouts(
    request_s=TIMEOUT_S, connect_s=2.0, retries=0, retries_s=0.0, allow_http=True
)


class ObjectStoreCheck:
    """`where` is a folder or a URL, as for ObjectStore."""

    def __init__(self, where: str) -> None:
        self._store = ObjectStore(where, _TIMEOUTS, mode=0o700)

    async def __call__(self) -> CheckOutcome:
        try:
            await self._store.write(PATH, CONTENT)
            found = await self._store.read(PATH, len(CONTENT))
        except ERRORS as error:  # the texts of obstore's errors may hold a signed URL
            return down(type(error).__name__)
        return UP if found == CONTENT else down("an object that was written cannot be read")
