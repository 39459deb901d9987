"""The part "strangers": what grows when nobody with a key asks for what there is not.

In: a number of requests, each of which invents a method, a path, a model, a tenant and a host. Out:
measurements of samples and of memory.
"""

import argparse
import gc

import httpx
import psutil

from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.speed.observed.application import observed_application

PART = "strangers"
WARM_UP = 500
MAX_SAMPLES = 100
MAX_MIB = 8.0  # an allocator keeps some pages; a kilobyte a request would be ten


async def measure_strangers(options: argparse.Namespace) -> list[Measurement]:
    async with observed_application(1) as observed:
        await send_strangers(observed.http, 0, WARM_UP)
        gc.collect()
        before, memory = len((await observed.scrape()).splitlines()), psutil.Process().memory_info()
        await send_strangers(observed.http, WARM_UP, options.strangers)
        gc.collect()
        grown = len((await observed.scrape()).splitlines()) - before
        mib = (psutil.Process().memory_info().rss - memory.rss) / 2**20
    return [
        Measurement(PART, "new samples", grown, at_most=MAX_SAMPLES - 1),
        Measurement(PART, "memory grown by", mib, "MiB", at_most=MAX_MIB),
    ]


async def send_strangers(http: httpx.AsyncClient, first: int, count: int) -> None:
    """Requests `first` and following; none of them is answered with success."""
    for number in range(first, first + count):
        method, path, headers = stranger(number)
        body = {"model": f"model-{number}", "user": f"user-{number}", "messages": []}
        answer = await http.request(method, path, headers=headers, json=body)
        assert answer.status_code >= httpx.codes.BAD_REQUEST, (method, path, answer.status_code)


def stranger(number: int) -> tuple[str, str, dict[str, str]]:
    """A method, a path and headers: by turns each of them is one that there is."""
    method = ("POST", f"BREW{number}", "GET")[number % 3]
    path = ("/v1/chat/completions", f"/made-up/{number}", f"/api/v1/jobs/{number}")[number // 3 % 3]
    headers = {
        "mobula-tenant": f"tenant-{number}",
        "x-request-id": f"stranger-{number}",
        "user-agent": f"agent/{number}",
    }
    if number % 2:
        headers["host"] = f"host-{number}.example"
    if number % 5 == 0:
        headers["authorization"] = f"Bearer mob_{number:012d}_wrong"
    return method, path, headers
