"""The Python handle client: `Mobula(api_key=...)` inside any Ray job, task, actor or driver.

In: the fields of the HTTP API. Out: the same responses, by a Serve handle without HTTP. The ingress
authenticates the key and admits the call, as for an HTTP request.
Every method raises `cluster.runtime.problems.Problem`s.
"""

from cluster.client.async_client import AsyncMobula
from cluster.client.blocking_client import Mobula
from cluster.client.values import ChatResponse, ContentResponse

__all__ = ["AsyncMobula", "ChatResponse", "ContentResponse", "Mobula"]
