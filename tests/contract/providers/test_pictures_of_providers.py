"""A picture from a client's body to a provider: decoded in a confined child on its way."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from deployments.images.decoder import ImageDecoder
from deployments.images.fetch import ImageFetcher
from deployments.images.reader import BoundedImageReader
from deployments.video.url_download import UrlDownloader
from tests.contract.providers.crossed_features import LEAKY, PATH, says
from tests.upstream_server.application import gateway_application
from tests.upstream_server.provider_models import KEYS, model_settings
from tests.upstream_server.server import UpstreamServer


def data_url(format: str, **options: Any) -> str:
    image = Image.new("RGB", (80, 40), (255, 0, 0))
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    buffer = io.BytesIO()
    image.save(buffer, format, exif=exif, **options)
    return f"data:image/any;base64,{base64.b64encode(buffer.getvalue()).decode()}"


async def test_a_picture_reaches_the_provider_without_its_metadata_and_is_known_by_its_pixels(
    upstream: UpstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    upstream.default = says(LEAKY)
    downloader = UrlDownloader(PinnedTransport(SsrfGuard()))
    reader = BoundedImageReader(ImageFetcher(downloader), ImageDecoder(tmp_path / "scratch"))
    lines: list[bytes] = []
    models = [model_settings([upstream], id="eyes", max_image_edge=64)]
    pictures = [data_url("PNG"), data_url("WEBP", lossless=True)]
    home = tmp_path / "home"
    async with gateway_application(
        home, models, access_log=lines.append, image_reader=reader
    ) as gateway:
        answers = []
        for picture in pictures:
            parts = [
                {"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": picture}},
            ]
            body = {
                "model": "eyes",
                "temperature": 0,
                "messages": [{"role": "user", "content": parts}],
            }
            answers.append(await gateway.client.post(PATH, json=body))
        await gateway.ledger()
        usage = await gateway.operator.get("/api/v1/usage", params={"tenant": "gateway"})
        trail = await gateway.operator.get("/api/v1/audit", params={"limit": 100})

    assert [answer.status_code for answer in answers] == [200, 200]
    assert "hit" in answers[1].headers["cache-status"]
    [request] = upstream.requests
    sent = request.json["messages"][0]["content"]
    assert sent[0] == {"type": "text", "text": "what is it?"}
    kind, _, encoded = sent[1]["image_url"]["url"].partition(",")
    jpeg = base64.b64decode(encoded)
    assert kind == "data:image/jpeg;base64"
    assert b"taken" not in jpeg
    with Image.open(io.BytesIO(jpeg)) as image:
        assert (image.size, image.format) == ((64, 32), "JPEG")
    assert usage.json()["data"][0]["amounts"]["images"] == 1
    written = b"".join(lines) + trail.content
    assert not any(picture[40:80].encode() in written for picture in pictures)
