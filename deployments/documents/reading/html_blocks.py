"""Web pages: what a reader came for, as blocks.

In: HTML in any encoding. Out: headings, paragraphs, lists and tables in order. Scripts, styles and
forms are dropped, and so is boilerplate: navigation, headers and footers of the page, asides,
hidden elements, and blocks of links, by own rules over the tree of selectolax's Lexbor. If they
leave next to nothing, the whole body is taken.
"""

import re
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode  # noqa: TID253 (runs as a child only)

from deployments.documents.reading.decoding import decoded_text
from deployments.documents.reading.errors import DocumentTooLarge
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.plain_blocks import pieces
from deployments.documents.reading.source import RULES, SourceFile

MAX_DEPTH = 250  # of elements in elements
MAX_OPEN = (
    5_000  # elements that are open at once, before the tree is built: that takes their square
)
_DROPPED_NAMES = (
    "script style noscript template svg canvas iframe object embed form button select textarea "
    "input dialog audio video map head link meta"
)
_DROPPED = frozenset(_DROPPED_NAMES.split())
_FRAME = frozenset(["nav", "aside", "footer", "menu"])
_ROLES = frozenset(["navigation", "banner", "contentinfo", "complementary", "search", "alert"])
_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|sidebar|footer|cookies?|consent|banner|"
    r"advert\w*|ads?|promo|share|sharing|social|newsletter|subscribe|related|recommended|comments?|"
    r"popup|modal|skip-?link|pagination|pager)(?:$|[\s_-])",
    re.IGNORECASE,
)
_BLOCK_NAMES = (
    "address article blockquote body dd details div dl dt fieldset figcaption figure footer header "
    "h1 h2 h3 h4 h5 h6 hgroup hr li main nav ol p pre section summary table ul aside html center "
    "tr td th thead tbody caption"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LINKS = 0.6  # share of a short block's characters in links from which it is boilerplate
_LEAST = 0.1  # share of the body that the rules must leave
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\n\r\f\xa0]+")
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)")
_OPTIONAL_NAMES = (  # their ends may be left out
    "p li dt dd tr td th thead tbody tfoot option optgroup colgroup rp rt html head body br hr img "
    "input meta link area base col embed source track wbr param"
)
_OPTIONAL = frozenset(_OPTIONAL_NAMES.split())
Block = tuple[str, str, int]


def read(source: SourceFile, parts: PartFiles) -> None:
    """Raises DocumentTooLarge."""
    content = source.path.read_bytes()
    declared = _CHARSET.search(content[:4_096])
    text, _ = decoded_text(content, "" if declared is None else declared.group(1).decode("ascii"))
    title, blocks = html_blocks(text)
    parts.begin("html", 1, title, f"selectolax {RULES}")
    for kind, block, level in blocks:
        for piece in pieces(block):
            parts.add(1, kind, piece, level)  # type: ignore[arg-type]
    parts.end_page(1)


def html_blocks(text: str) -> tuple[str, list[Block]]:
    """The title, and kind, text and level of each block. Raises DocumentTooLarge."""
    _check_nesting(text)
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    body = tree.body
    if body is None:
        return "", []
    root = _main(body)
    blocks = list(_Walk(with_frame=False).of(root))
    whole = list(_Walk(with_frame=True).of(body)) if _size(blocks) < 200 or root is body else []
    if whole and _size(blocks) < _LEAST * _size(whole):
        blocks = whole
    name = "" if title is None else _BLANKS.sub(" ", title.text())
    return name or next((text for kind, text, _ in blocks if kind == "heading"), ""), blocks


def _check_nesting(text: str) -> None:
    """Raises DocumentTooLarge."""
    depth = 0
    for match in _TAG.finditer(text):
        if match.group(2).lower() not in _OPTIONAL:
            depth = max(0, depth - 1) if match.group(1) else depth + 1
            if depth > MAX_OPEN:
                raise DocumentTooLarge("nesting", MAX_OPEN)


def _size(blocks: list[Block]) -> int:
    return sum(len(text) for _, text, _ in blocks)


def _main(body: LexborNode) -> LexborNode:
    """The element that the page says is its content, if that is one."""
    for selector in ("main", "[role=main]", "article"):
        found = body.css(selector)
        if len(found) == 1:
            return found[0]
    return body


class _Walk:
    """Depth first, without recursion of Python beyond MAX_DEPTH."""

    def __init__(self, with_frame: bool) -> None:
        self._with_frame = with_frame
        self._inline: list[str] = []
        self._linked = 0

    def of(self, root: LexborNode) -> Iterator[Block]:
        yield from self._children(root, 0)
        yield from self._flush()

    def _children(self, node: LexborNode, depth: int) -> Iterator[Block]:
        if depth > MAX_DEPTH:
            raise DocumentTooLarge("nesting", MAX_DEPTH)
        child = node.child
        while child is not None:
            yield from self._node(child, depth)
            child = child.next

    def _node(self, node: LexborNode, depth: int) -> Iterator[Block]:
        tag = node.tag
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag is None or tag.startswith("-") or tag in _DROPPED or self._is_frame(node, tag):
            return
        elif tag == "br":
            self._inline.append("\n")
        elif tag in _BLOCKS:
            yield from self._flush()
            yield from self._block(node, tag, depth)
            yield from self._flush()
        else:
            before = len(self._inline)
            yield from self._children(node, depth + 1)
            if tag == "a":
                self._linked += sum(len(each) for each in self._inline[before:])

    def _block(self, node: LexborNode, tag: str, depth: int) -> Iterator[Block]:
        if tag in _HEADINGS:
            if text := _inline_text(node):
                yield "heading", text, _HEADINGS[tag]
        elif tag == "table":
            yield from self._table(node, depth)
        elif tag in ("ul", "ol"):
            yield from self._list(node)
        elif tag == "pre":
            yield "text", node.text().strip("\n"), 0
        else:
            yield from self._children(node, depth + 1)

    def _flush(self) -> Iterator[Block]:
        text, linked = _lines("".join(self._inline)), self._linked
        self._inline, self._linked = [], 0
        if text and (self._with_frame or not _is_links(len(text), linked)):
            yield "text", text, 0

    def _list(self, node: LexborNode) -> Iterator[Block]:
        items = [text for item in _items(node) if (text := _inline_text(item))]
        linked = sum(len(link.text()) for link in node.css("a"))
        text = "\n".join(items)
        if text and (self._with_frame or not _is_links(len(text), linked, most=5_000)):
            yield "list", text, 0

    def _table(self, node: LexborNode, depth: int) -> Iterator[Block]:
        """A table in a table is layout: then its cells are blocks."""
        if node.css_first("table table, table ul table") is not None:
            yield from self._children(node, depth + 1)
            return
        rows = [[_inline_text(cell) for cell in row.css("td, th")] for row in node.css("tr")]
        if max(map(len, rows), default=0) < 2:
            yield from self._children(node, depth + 1)
            return
        text = "\n".join(["\t".join(row) for row in rows if any(row)])
        if text:
            yield "table", text, 0

    def _is_frame(self, node: LexborNode, tag: str) -> bool:
        """Boilerplate around the content, or hidden."""
        attributes: dict[str, Any] = node.attributes
        if "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        style = (attributes.get("style") or "").replace(" ", "").lower()
        if "display:none" in style or "visibility:hidden" in style:
            return True
        if self._with_frame:
            return False
        if tag in _FRAME or attributes.get("role") in _ROLES:
            return True
        if tag == "header":
            return node.css_first("h1") is None
        if tag not in ("div", "section", "ul", "ol", "p", "span"):
            return False
        names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        return len(names) > 1 and _NAMES.search(names) is not None


def _is_links(size: int, linked: int, most: int = 200) -> bool:
    return 0 < size <= most and linked >= _LINKS * size


def _items(node: LexborNode) -> Iterator[LexborNode]:
    """Of the list and of lists in it, each with its own words only."""
    yield from node.css("li")


def _inline_text(node: LexborNode) -> str:
    """In one line, without lists and tables inside."""
    found: list[str] = []
    stack = [node.child]
    while stack:
        current = stack.pop()
        while current is not None:
            tag = current.tag
            if tag == "-text":
                found.append(current.text_content or "")
            elif tag is not None and not tag.startswith("-") and tag not in _DROPPED:
                if tag in _BLOCKS or tag == "br":
                    found.append(" ")
                if tag not in ("ul", "ol") and current.child is not None:
                    stack.append(current.next)
                    current = current.child
                    continue
            current = current.next
    return _BLANKS.sub(" ", "".join(found)).strip()


def _lines(text: str) -> str:
    """Blanks folded; lines end where the page says so."""
    lines = [_BLANKS.sub(" ", line).strip() for line in text.split("\n")]
    return " ".join([line for line in lines if line])
