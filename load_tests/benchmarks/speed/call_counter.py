"""Counts the calls of our own functions that one request makes, by `sys.setprofile`.

In: folders whose code counts. Out: files, functions, calls and changes of file. A call belongs to
the request if it runs in the request's task, in tasks that this task begins (those with a context
of their own included), or in a thread that gets a copy of the context (`asyncio.to_thread`).
Background tasks do not count.
"""

import asyncio
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_EXPRESSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


class CallCounter:
    """What one request called. A coroutine that is resumed is not called again."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._prefixes = tuple(f"{folder.resolve()}/" for folder in folders)
        self._frames: set[FrameType] = set()  # held, so that none is taken for another one
        self._last_file = ""
        self._is_own: dict[CodeType, bool] = {}
        self.files: dict[str, int] = {}  # calls by file, in the order of the first call
        self.functions: set[CodeType] = set()
        self.file_changes = 0

    @property
    def calls(self) -> int:
        return sum(self.files.values())

    def add(self, frame: FrameType) -> None:
        code = frame.f_code
        is_own = self._is_own.get(code)
        if is_own is None:
            file = code.co_filename.startswith(self._prefixes)
            is_own = self._is_own[code] = file and code.co_name not in _EXPRESSIONS
        if not is_own or frame in self._frames:
            return
        self._frames.add(frame)
        self.functions.add(code)
        self.files[code.co_filename] = self.files.get(code.co_filename, 0) + 1
        self.file_changes += code.co_filename != self._last_file
        self._last_file = code.co_filename

    @contextmanager
    def count(self) -> Iterator[None]:
        """Calls in the context of the body count, while `profile_calls` is entered."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:  # what awaits the request was called before
            self._frames.add(frame)
            frame = frame.f_back
        token = _counter.set(self)
        try:
            yield
        finally:
            _counter.reset(token)
            self._frames.clear()


_counter: ContextVar[CallCounter | None] = ContextVar("call_counter", default=None)


@contextmanager
def profile_calls() -> Iterator[None]:
    """Lets counters count on the running event loop and in threads that are started from now on."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(_create_task)  # type: ignore[arg-type]
    threading.setprofile(_on_event)
    sys.setprofile(_on_event)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        loop.set_task_factory(None)


def _create_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], context: Context | None = None
) -> asyncio.Task[Any]:
    """A task that the current counter, if any, follows into a context of its own."""
    if context is not None and (counter := _counter.get()) is not None:
        context.run(_counter.set, counter)
    return asyncio.Task(work, loop=loop, context=context)


def _on_event(frame: FrameType, event: str, _: Any) -> None:
    if event == "call" and (counter := _counter.get()) is not None:
        counter.add(frame)
