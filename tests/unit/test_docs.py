"""What the documentation links to and names exists, and its index is complete."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "clients" / "python" / "README.md",
]
_LINK = re.compile(r"\]\(([^)\s]+)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)
_NAMED = re.compile(r"`((?:cluster|deployments|graphs|load_tests|tests|clients|docs)/[\w./-]+)`")


def links(page: Path) -> set[tuple[Path, str]]:
    """The files that a page links to, each with the anchor in it (empty: none)."""
    found = {first or second for first, second in _LINK.findall(page.read_text())}
    split = (link.partition("#") for link in found if "://" not in link)
    return {((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in split}


def linked(page: Path) -> set[Path]:
    """The files that a page links to."""
    return {path for path, _ in links(page)}


def anchors(text: str) -> set[str]:
    """Those of a page's headings, as GitHub names them: lower case, punctuation dropped, spaces as
    hyphens, and a number on a repeated one."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return names


def test_an_anchor_is_named_as_github_names_it() -> None:
    text = "# A `b`, C\n## [Link](x.md) & more\n```\n# no heading\n```\n## Same\n## Same\n"

    assert anchors(text) == {"a-b-c", "link--more", "same", "same-1"}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert sorted(str(target) for target in linked(page) if not target.exists()) == []
    missing = [
        f"{target.name}#{anchor}"
        for target, anchor in links(page)
        if anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())
    ]
    assert sorted(missing) == []


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
