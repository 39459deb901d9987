"""Strings of a JSON Schema: lengths, patterns and formats."""

from deployments.model.text.structured.ambiguity import check_ambiguity
from deployments.model.text.structured.json_text import any_content, quoted, string_content
from deployments.model.text.structured.limits import MAX_REPEATS
from deployments.model.text.structured.matching import length_bounds
from deployments.model.text.structured.nodes import (
    CharacterClass,
    Node,
    Repetition,
    character_class,
    invert_ranges,
    repetition,
)
from deployments.model.text.structured.regex_parser import parse_regex
from deployments.model.text.structured.repeats import check_repeats
from deployments.model.text.structured.rules import RuleSet
from deployments.model.text.structured.schema_keywords import (
    Schema,
    below,
    count,
    invalid,
    unsupported,
)
from deployments.model.text.structured.string_formats import FORMATS

_ANY_CHARACTERS = repetition(character_class(invert_ranges(())), 0, None)


def string_node(schema: Schema, where: str, rules: RuleSet) -> tuple[Node, bool]:
    """The strings of `schema`, and whether a limit is left for a check of the finished text."""
    least = count(schema, "minLength", where) or 0
    most = count(schema, "maxLength", where)
    if most is not None and most < least:
        invalid(below(where, "maxLength"), f"it is below minLength ({least}).")
    held = content_node(schema, where)
    if held is not None:
        check_repeats(held, {}, below(where, "pattern"))
        check_ambiguity(held, {}, below(where, "pattern"))
        content, relaxed = _fit(held, least, most, where)
        return quoted(string_content(content)), relaxed
    if least > MAX_REPEATS:
        unsupported(below(where, "minLength"), f"above {MAX_REPEATS} it cannot be held to.")
    if not least and most is None:
        return rules.string(), False
    if most is None or not rules.reserve_characters(least, most):
        return quoted(any_content(least)), most is not None
    return rules.string(least, most), False


def content_node(schema: Schema, where: str) -> Node | None:
    """What `pattern` or `format` asks of a string's characters; None where there is neither."""
    pattern, name = schema.get("pattern"), schema.get("format")
    if pattern is not None and name is not None:
        unsupported(below(where, "format"), "it cannot be joined with a pattern.")
    if pattern is not None:
        if not isinstance(pattern, str):
            invalid(below(where, "pattern"), "it must be a string.")
        return parse_regex(pattern, below(where, "pattern"), _ANY_CHARACTERS)
    if name is None:
        return None
    if not isinstance(name, str) or name not in FORMATS:
        unsupported(below(where, "format"), f"the formats are {', '.join(sorted(FORMATS))}.")
    return parse_regex(FORMATS[name], below(where, "format"))


def _fit(node: Node, least: int, most: int | None, where: str) -> tuple[Node, bool]:
    """`node` with a length; True where its longest texts are left for a check."""
    if isinstance(node, Repetition) and isinstance(node.item, CharacterClass):
        least = max(least, node.least)
        ends = [end for end in (most, node.most) if end is not None]
        most = min(ends) if ends else None
        if most is not None and most < least:
            invalid(below(where, "pattern"), "no text of the pattern has such a length.")
        if least <= MAX_REPEATS:
            relaxed = most is not None and most > MAX_REPEATS
            return repetition(node.item, least, None if relaxed else most), relaxed
    shortest, longest = length_bounds(node)
    if most is not None and most < shortest:
        invalid(below(where, "maxLength"), f"the shortest text that fits has {shortest}.")
    if shortest < least:
        unsupported(below(where, "minLength"), "it cannot be joined with this pattern or format.")
    return node, most is not None and (longest is None or longest > most)
