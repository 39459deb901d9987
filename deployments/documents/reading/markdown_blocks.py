"""Markdown: headings, lists, tables and quotes as blocks, without the marks of emphasis.

In: CommonMark with the tables of GitHub. Out: blocks whose text is what a reader sees. Front matter
in YAML is dropped but for its title. Own rules: a parser by lines, in linear time.
"""

import re
from itertools import pairwise

from deployments.documents.reading.decoding import decoded_text
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.plain_blocks import pieces
from deployments.documents.reading.source import RULES, SourceFile

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(.*)$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_DASHES = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S+")
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")

_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!\[([^\[\]\n]{0,500})\]\([^()\n]{0,2000}\)"), r"\1"),
    (re.compile(r"\[([^\[\]\n]{1,1000})\]\([^()\n]{0,2000}\)"), r"\1"),
    (re.compile(r"\[([^\[\]\n]{1,1000})\]\[[^\[\]\n]{0,200}\]"), r"\1"),
    (re.compile(r"<((?:https?|mailto):[^\s<>]{1,2000})>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>\n]{0,500}>"), ""),
    (re.compile(r"(?<![\w*])(\*{1,3})(?=\S)([^*\n]{1,2000}?)(?<=\S)\1(?![\w*])"), r"\2"),
    (re.compile(r"(?<![\w_])(_{1,3})(?=\S)([^_\n]{1,2000}?)(?<=\S)\1(?![\w_])"), r"\2"),
    (re.compile(r"~~([^~\n]{1,2000})~~"), r"\1"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_CODE = re.compile(r"(?<!`)(`+)(?!`)([^`\n]{1,2000})(?<!`)\1(?!`)")


def read(source: SourceFile, parts: PartFiles) -> None:
    """Raises DocumentTooLarge."""
    text, _ = decoded_text(source.path.read_bytes())
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    title, text = _front_matter(text)
    blocks = markdown_blocks(_without_comments(text))
    title = title or next((text for kind, text, _ in blocks if kind == "heading"), "")
    parts.begin("markdown", 1, title, f"markdown {RULES}")
    for kind, block, level in blocks:
        for piece in pieces(block):
            parts.add(1, kind, piece, level)  # type: ignore[arg-type]
    parts.end_page(1)


def _without_comments(text: str) -> str:
    found, start = [], 0
    while (begin := text.find("<!--", start)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        found.append(text[start:begin])
        start = end + 3
    return "".join([*found, text[start:]])


def _front_matter(text: str) -> tuple[str, str]:
    if not text.startswith("---\n"):
        return "", text
    end = text.find("\n---\n", 3, 20_000)
    if end < 0:
        return "", text
    title = _TITLE.search(text, 0, end)
    return (title.group(1) if title else ""), text[end + 5 :]


def markdown_blocks(text: str) -> list[tuple[str, str, int]]:
    """Kind, text and level of each."""
    return _Blocks().of(text.split("\n"))


def plain_inline(text: str) -> str:
    """Without the marks of emphasis, links and code; what is in code stays as it is."""
    found, last = [], 0
    for code in _CODE.finditer(text):
        found += [_without_marks(text[last : code.start()]), code.group(2).strip()]
        last = code.end()
    return "".join([*found, _without_marks(text[last:])])


def _without_marks(text: str) -> str:
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text


class _Blocks:
    def __init__(self) -> None:
        self.found: list[tuple[str, str, int]] = []
        self._lines: list[str] = []
        self._kind = "text"

    def of(self, lines: list[str]) -> list[tuple[str, str, int]]:
        fence = ""
        following = [after for _, after in pairwise([*lines, ""])]
        for line, after in zip(lines, following, strict=True):
            line = line.expandtabs(4)
            if fence:
                if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                    fence = ""
                    self._end()
                else:
                    self._lines.append(line)
                continue
            if match := _FENCE.match(line):
                self._end()
                fence, self._kind = match.group(1), "code"
                continue
            self._line(_QUOTE.sub("", line), after)
        self._end()
        return self.found

    def _line(self, line: str, after: str) -> None:
        if not line.strip():
            if self._kind != "list":
                self._end()
        elif not (self._heading(line) or self._table(line, after)):
            self._text(line)

    def _heading(self, line: str) -> bool:
        """Also rules and definitions of links, which end a block too."""
        if match := _HEADING.match(line):
            self._end()
            self._add("heading", plain_inline(match.group(2) or ""), len(match.group(1)))
        elif self._lines and self._kind == "text" and (match := _UNDERLINE.match(line)):
            text, self._lines = " ".join(self._lines), []
            self._add("heading", plain_inline(text), 1 if match.group(1)[0] == "=" else 2)
        elif _RULE.match(line) or _DEFINITION.match(line):
            self._end()
        else:
            return False
        return True

    def _table(self, line: str, after: str) -> bool:
        if self._kind != "table":
            if not ("|" in line and "|" in after and _DASHES.match(after)):
                return False
            self._end()
            self._kind = "table"
        self._row(line)
        return True

    def _text(self, line: str) -> None:
        """Of a list or a paragraph."""
        if match := _ITEM.match(line):
            self._begin("list")
            self._lines.append(plain_inline(match.group(1)))
        elif self._kind == "list" and line.startswith(" "):
            self._lines[-1] += " " + plain_inline(line.strip())
        else:
            self._begin("text")
            self._lines.append(line.strip())

    def _row(self, line: str) -> None:
        if "|" not in line:
            self._end()
            self._lines.append(line.strip())
        elif not _DASHES.match(line):
            cells = _CELL.split(line.strip().removeprefix("|").removesuffix("|"))
            self._lines.append("\t".join([plain_inline(cell.strip()) for cell in cells]))

    def _begin(self, kind: str) -> None:
        if self._kind != kind:
            self._end()
            self._kind = kind

    def _end(self) -> None:
        if self._lines:
            if self._kind == "text":
                self._add("text", plain_inline("\n".join(self._lines)))
            elif self._kind == "code":
                self._add("text", "\n".join(self._lines))
            else:
                self._add(self._kind, "\n".join(self._lines))
        self._lines, self._kind = [], "text"

    def _add(self, kind: str, text: str, level: int = 0) -> None:
        self.found.append((kind, text, level))
