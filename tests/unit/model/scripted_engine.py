"""An engine that says what a test tells it to.

In: a script of token batches for each prompt. Out: those batches.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Literal

from deployments.contracts.engine import EngineStats, TokenRequest, Tokens
from deployments.model.engines.features import ALL
from deployments.model.engines.sequences import SequenceRegistry

Script = Callable[[TokenRequest], Sequence[Tokens | BaseException]]


class ScriptedEngine:
    """Gives each request its script; a script that does not finish leaves the caller waiting."""

    name = "echo"
    supports: frozenset[str] = ALL

    def __init__(self, script: Script) -> None:
        self._script = script
        self._ledger = SequenceRegistry()
        self.asked: list[TokenRequest] = []
        self.stopped = False

    async def start(self) -> None: ...

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        self.asked.append(request)
        key, _ = self._ledger.open()
        try:
            for step in self._script(request):
                await asyncio.sleep(0)
                if isinstance(step, BaseException):
                    raise step
                yield step
            await asyncio.Event().wait()
        finally:
            self._ledger.leave(key)
            self._ledger.release(key)

    def stats(self) -> EngineStats:
        return self._ledger.stats(32, 0)

    def check_health(self) -> None: ...

    async def stop(self) -> None:
        self.stopped = True


def letters(text: str, size: int = 1, reason: Literal["stop", "length"] = "stop") -> list[Tokens]:
    """`text` as bytes, `size` at a time, for a `ByteTokenizer`; the last batch has the reason."""
    ids = tuple(text.encode())
    parts = [ids[at : at + size] for at in range(0, len(ids), size)] or [()]
    return [Tokens(part, reason if i == len(parts) - 1 else None) for i, part in enumerate(parts)]
