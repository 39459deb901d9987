"""What the documentation links to and names exists, and its index is complete."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "clients" / "python" / "README.md",
]
_LINK = re.compile(r"\]\(([^)#\s]+)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
_NAMED = re.compile(r"`((?:cluster|deployments|graphs|load_tests|tests|clients|docs)/[\w./-]+)`")


def linked(page: Path) -> set[Path]:
    """The files that a page links to."""
    links = {first or second for first, second in _LINK.findall(page.read_text())}
    return {(page.parent / link).resolve() for link in links if "://" not in link}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert sorted(str(target) for target in linked(page) if not target.exists()) == []


@pytest.mark.parametrize("folder", ["guides", "decisions", "recipes"])
def test_the_index_lists_every_page(folder: str) -> None:
    pages = set((ROOT / "docs" / folder).glob("*.md"))

    assert sorted(page.name for page in pages - linked(ROOT / "docs" / "README.md")) == []


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "CONTRIBUTING.md",
        ROOT / "docs" / "architecture.md",
        *sorted((ROOT / "docs" / "recipes").glob("*.md")),
    ],
    ids=lambda page: page.name,
)
def test_files_that_a_recipe_names_exist(page: Path) -> None:
    names = set(_NAMED.findall(page.read_text()))

    assert sorted(name for name in names if not (ROOT / name).exists()) == []
