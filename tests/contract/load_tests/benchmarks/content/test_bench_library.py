"""The benchmark of the library comes to a report, on both stores."""

from pathlib import Path

from rich.console import Console

from load_tests.benchmarks.content.bench_library import _show, measure


async def test_both_stores_answer_the_same(tmp_path: Path, postgres_url: str) -> None:
    urls = {"sqlite": f"sqlite+aiosqlite:///{tmp_path / 'mobula.db'}", "postgresql": postgres_url}

    report = await measure(urls, posts=300, rounds=1)

    assert report["same_order"]
    assert all(store["read_while_added"] for store in report["stores"].values())
    totals = {row["question"]: row["total"] for row in report["stores"]["sqlite"]["questions"]}
    assert totals["newest"] == 300
    assert 0 < totals["search: word and draft"] < totals["drafts"] < 300
    console = Console(record=True, width=100)
    _show(report, console)
    assert "same posts in the same order: True" in console.export_text()
