"""Whose body is read before the cache is asked, how long for, and how much of it."""

import json

import pytest

from deployments.ingress.pipeline import fast_path
from tests.api.caching.answers import CHAT, URL
from tests.api.caching.conftest import MakeApp
from tests.api.fakes import WordsModel
from tests.api.web import ADMIN_KEY
from tests.api.wire import Wire

JSON = ("content-type", "application/json")


def request(make: MakeApp, key: str, *headers: tuple[str, str], **settings: object) -> Wire:
    given = [("authorization", f"Bearer {key}"), JSON, *headers]
    return Wire(make(**settings), URL, headers=given)


async def test_without_a_good_key_no_body_is_waited_for(make_cached_app: MakeApp) -> None:
    wire = await request(make_cached_app, "bogus", ("content-length", "100")).start().ended()

    assert wire.status == 401


async def test_a_body_that_never_comes_meets_the_deadline(make_cached_app: MakeApp) -> None:
    wire = request(make_cached_app, ADMIN_KEY, ("content-length", "100"), request_timeout_s=0.05)

    await wire.start().ended()

    assert wire.status == 408
    assert "0.05 s" in wire.text


async def test_a_body_whose_declared_length_is_over_the_limit_is_not_read(
    make_cached_app: MakeApp,
) -> None:
    limits = {"max_body_bytes": 2048, "max_image_body_bytes": 2048}
    wire = request(make_cached_app, ADMIN_KEY, ("content-length", "5000"), **limits)

    await wire.start().ended()

    assert wire.status == 413


@pytest.mark.parametrize("length", ["1" * 5000, "-1", "1e3", ""])
async def test_a_length_that_is_none_is_400(make_cached_app: MakeApp, length: str) -> None:
    wire = request(make_cached_app, ADMIN_KEY, ("content-length", length)).start()

    await wire.ended()

    assert wire.status == 400


async def test_a_body_that_comes_late_is_answered_all_the_same(
    make_cached_app: MakeApp, model: WordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_path, "BODY_WAIT_S", 0.0)
    body = json.dumps(CHAT).encode()

    wire = request(make_cached_app, ADMIN_KEY).start().body(body[:10], more=True).body(body[10:])
    await wire.ended()

    assert wire.status == 200
    assert "one two three" in wire.text
