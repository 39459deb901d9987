"""A recording in pieces, by tus 1.0.0, over a connection that breaks off once."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.cluster.polling import eventually

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


async def bring_in_pieces(mine: httpx.AsyncClient, name: str, whole: bytes) -> tuple[str, int, str]:
    """Where the upload was, how much of the first piece was received, and the video it became."""
    filename = base64.b64encode(name.encode()).decode()
    upload_headers = {"Upload-Length": str(len(whole)), "Upload-Metadata": f"filename {filename}"}
    begun = await mine.post("/api/v1/uploads", headers={**TUS, **upload_headers})
    assert begun.status_code == 201, begun.text
    upload = begun.headers["location"]
    at = received = await _broken_off(mine, upload, whole)
    half = (received + len(whole)) // 2
    for piece in (whole[received:half], whole[half:]):
        headers = {**PIECE, "Upload-Offset": str(at)}
        sent = await mine.patch(upload, headers=headers, content=piece)
        assert sent.status_code == 204, sent.text
        at += len(piece)
        assert int(sent.headers["upload-offset"]) == at
    return upload, received, sent.headers["mobula-video"]


async def _broken_off(mine: httpx.AsyncClient, upload: str, whole: bytes) -> int:
    """Send a third and break the connection off; how much was received, once nobody holds it.

    Again if nothing of it had reached the cluster.
    """

    async def some() -> AsyncIterator[bytes]:
        third, blocks = len(whole) // 3, 12
        for at in range(0, third, third // blocks):
            yield whole[at : min(at + third // blocks, third)]
            await mine.head(upload, headers=TUS)  # time for the block to arrive
        raise ConnectionAbortedError

    offset = 0

    async def free() -> bool:
        nonlocal offset
        offset = int((await mine.head(upload, headers=TUS)).headers["upload-offset"])
        empty = {**PIECE, "Upload-Offset": str(offset)}
        return (await mine.patch(upload, headers=empty)).status_code == 204

    async def received() -> bool:
        headers = {**PIECE, "Upload-Offset": "0", "Content-Length": str(len(whole))}
        with pytest.raises(ConnectionAbortedError):
            await mine.patch(upload, headers=headers, content=some())
        await eventually(free)
        return offset > 0

    await eventually(received)
    return offset
