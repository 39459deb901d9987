"""`./mobula bench content library`: pages and searches of a large library, on both stores.

Each question is asked of SQLite and of PostgreSQL (started as the tests do; left out where it is
not installed): the time of a page of 50 posts with its total, the CPU time of this process and of
the server for it, and whether both stores answer the same posts in the same order, over several
pages. Then the whole library is read page by page while
posts are added, which must neither skip nor repeat one.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from cluster.cli.test_servers import find_program
from cluster.library.listing import list_posts
from cluster.library.model import PostDraft, PostFilter, PostOrder, PostText
from cluster.library.repository import PostRepository
from cluster.library.status import PostStatus
from cluster.runtime.clock import SystemClock
from cluster.storage.database import Database
from cluster.storage.migrate import migrate
from load_tests.benchmarks.content.made_posts import BEGIN, TENANT, fill, word
from load_tests.machine import describe_machine

PAGE_GOAL_MS, SEARCH_GOAL_MS = 20.0, 50.0
LIMIT, COMPARED_PAGES, READ_AT_ONCE, ADDED = 50, 3, 200, 20
_S = PostStatus
QUESTIONS: tuple[tuple[str, PostFilter, PostOrder], ...] = (
    ("newest", PostFilter(), PostOrder.NEWEST),
    ("oldest", PostFilter(), PostOrder.OLDEST),
    ("drafts", PostFilter(statuses=(_S.DRAFT,)), PostOrder.NEWEST),
    ("in review or approved", PostFilter(statuses=(_S.IN_REVIEW, _S.APPROVED)), PostOrder.NEWEST),
    ("published on YouTube", PostFilter((_S.PUBLISHED,), "youtube"), PostOrder.NEWEST),
    ("Polish drafts", PostFilter((_S.DRAFT,), language="Polish"), PostOrder.NEWEST),
    ("of an author", PostFilter(created_by="user:3"), PostOrder.NEWEST),
    ("common tag", PostFilter(tags=("tag-0",)), PostOrder.NEWEST),
    ("rare tag", PostFilter(tags=("tag-120",)), PostOrder.NEWEST),
    ("two tags, published", PostFilter((_S.PUBLISHED,), tags=("tag-0", "tag-3")), PostOrder.OLDEST),
    (
        "tag, platform, language",
        PostFilter(platform="x", language="German", tags=("tag-1",)),
        PostOrder.NEWEST,
    ),
    (
        "created in a week",
        PostFilter(created_since=BEGIN + 86_400, created_until=BEGIN + 8 * 86_400),
        PostOrder.NEWEST,
    ),
    ("scheduled, soonest first", PostFilter((_S.SCHEDULED,)), PostOrder.SCHEDULED),
    ("nothing", PostFilter(platform="none"), PostOrder.NEWEST),
    ("search: rare word", PostFilter(query=word(3_000)), PostOrder.NEWEST),
    ("search: common word", PostFilter(query=word(0)), PostOrder.NEWEST),
    ("search: three words", PostFilter(query=f"{word(1)} {word(5)} {word(40)}"), PostOrder.NEWEST),
    ("search: beginning", PostFilter(query=f"{word(200)[:4]}*"), PostOrder.NEWEST),
    ("search: word and draft", PostFilter((_S.DRAFT,), query=word(10)), PostOrder.OLDEST),
    ("search: rare word of a tag", PostFilter(query=word(900), tags=("tag-2",)), PostOrder.NEWEST),
    ("search: nothing", PostFilter(query="unwritten"), PostOrder.NEWEST),
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mobula bench content library", description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20, help="times that each question is asked")
    parser.add_argument("--no-postgres", action="store_true", help="measure SQLite alone")
    parser.add_argument("--json", type=Path, help="also write the report there")
    options = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"sqlite": f"sqlite+aiosqlite:///{folder}/mobula.db"}
        if not options.no_postgres and (server := _postgres()) is not None:
            urls["postgresql"] = stack.enter_context(server).url
        report = asyncio.run(measure(urls, options.posts, options.rounds))
    _show(report, Console())
    if options.json:
        row = {"benchmark": "library", "machine": describe_machine(), **report}
        options.json.write_text(json.dumps(row, indent=2) + "\n")
    return 0 if report["passed"] else 1


async def measure(urls: dict[str, str], posts: int, rounds: int) -> dict[str, Any]:
    """Times by question and store, and what was the same."""
    stores: dict[str, dict[str, Any]] = {}
    answers: dict[str, list[list[str]]] = {}
    for name, url in urls.items():
        async with _filled(url, posts) as (database, seconds):
            timed = [await _time(database, *question, rounds) for question in QUESTIONS]
            answers[name] = [await _pages(database, *question[1:]) for question in QUESTIONS]
            stores[name] = {
                "fill_s": seconds,
                "questions": timed,
                "read_while_added": await _read_while_added(database, posts),
            }
    same = all(each == answers["sqlite"] for each in answers.values())
    passed = same and all(
        store["read_while_added"] and all(row["passed"] for row in store["questions"])
        for store in stores.values()
    )
    return {"posts": posts, "same_order": same, "stores": stores, "passed": passed}


@asynccontextmanager
async def _filled(url: str, posts: int) -> AsyncIterator[tuple[Database, float]]:
    migrate(url)
    database = Database(url)
    began = time.monotonic()
    await fill(database, posts)
    if not database.is_sqlite:  # what autovacuum does in a store that runs
        async with database.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(text("VACUUM ANALYZE"))
    try:
        yield database, round(time.monotonic() - began, 1)
    finally:
        await database.close()


async def _time(
    database: Database, name: str, conditions: PostFilter, order: PostOrder, rounds: int
) -> dict[str, Any]:
    times: list[float] = []
    cpu_s = 0.0
    for number in range(rounds + 1):  # the first one is not counted
        if number == 1:
            cpu_s = -_cpu_s()
        async with database.read() as connection:
            began = time.perf_counter()
            page = await list_posts(connection, TENANT, conditions, order, LIMIT, None)
            times.append((time.perf_counter() - began) * 1e3)
    cpu_s += _cpu_s()
    goal = PAGE_GOAL_MS if conditions.query is None else SEARCH_GOAL_MS
    median = statistics.median(times[1:])
    return {
        "question": name,
        "total": "more" if page.total is None else page.total,
        "median_ms": round(median, 2),
        "worst_ms": round(max(times[1:]), 2),
        "cpu_ms": round(cpu_s * 1e3 / rounds, 2),
        "goal_ms": goal,
        "passed": median < goal,
    }


def _cpu_s() -> float:
    """Of this process and of those that it has started: the server."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def _pages(database: Database, conditions: PostFilter, order: PostOrder) -> list[str]:
    """The ids of the first pages, and the total of each."""
    found, cursor = [], None
    for _ in range(COMPARED_PAGES):
        async with database.read() as connection:
            page = await list_posts(connection, TENANT, conditions, order, LIMIT, cursor)
        found += [post.id for post in page.items] + [str(page.total)]
        cursor = page.next
        if cursor is None:
            break
    return found


async def _read_while_added(database: Database, posts: int) -> bool:
    """Whether each post that was there is read once, in both orders, while others are added."""
    repository, clock = PostRepository(SystemClock()), SystemClock()
    expected = {f"post_{index:08}" for index in range(posts)}
    for order in (PostOrder.NEWEST, PostOrder.OLDEST):
        found: list[str] = []
        cursor, added = None, 0
        while True:
            async with database.read() as connection:
                page = await list_posts(
                    connection, TENANT, PostFilter(), order, READ_AT_ONCE, cursor, count=False
                )
            found += [post.id for post in page.items]
            cursor = page.next
            if cursor is None:
                break
            if added < ADDED:
                added += 1
                id = f"added-{order}-{added}"
                draft = PostDraft(id, PostText("", f"added {clock.wall()}"), "x", "English")
                async with database.begin() as connection:
                    await repository.create(connection, TENANT, "user:0", draft)
        if len(found) != len(set(found)) or not expected <= set(found):
            return False
    return True


def _postgres() -> Any:
    """None where it cannot be started."""
    if find_spec("tests") is None or find_program("initdb") is None:
        return None
    from tests.servers.postgres import PostgresServer

    return PostgresServer()


def _show(report: dict[str, Any], console: Console) -> None:
    names = [name for store in report["stores"] for name in (store, "CPU")]
    table = Table("question", "total", *names, title=f"{report['posts']} posts, ms")
    for rows in zip(*(store["questions"] for store in report["stores"].values()), strict=True):
        shown = []
        for row in rows:
            colour = "" if row["passed"] else "[red]"
            shown += [f"{colour}{row['median_ms']:.1f}", f"{row['cpu_ms']:.1f}"]
        table.add_row(rows[0]["question"], str(rows[0]["total"]), *shown)
    console.print(table)
    for name, store in report["stores"].items():
        read = "each post once" if store["read_while_added"] else "[red]skips or repeats[/red]"
        console.print(f"{name}: read while posts were added: {read}")
    console.print(f"same posts in the same order: {report['same_order']}")


if __name__ == "__main__":
    sys.exit(main())
