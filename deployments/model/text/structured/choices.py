"""One of several texts, as a tree of their common beginnings.

Each position of a text then has one place in the grammar: an engine follows one way, however many
texts there are.
"""

from os.path import commonprefix

from deployments.model.text.structured.nodes import EMPTY, Node, alternation, concatenation, literal

_MAX_LEVELS = 24  # of common beginnings; deeper ones are written out


def choice_node(texts: list[str]) -> Node:
    """One of `texts`, of which there is at least one."""
    return _tree(sorted(set(texts)), 0)


def _tree(texts: list[str], level: int) -> Node:
    """`texts` are different, and sorted: those that begin alike are neighbours."""
    if len(texts) == 1 or level == _MAX_LEVELS:
        return alternation(*map(literal, texts))
    options: list[Node] = []
    start = 0
    for end in range(1, len(texts) + 1):
        if end < len(texts) and texts[start] and texts[end][:1] == texts[start][:1]:
            continue
        group = texts[start:end]
        prefix = commonprefix([group[0], group[-1]])
        if len(group) == 1 or not prefix:
            options.append(literal(group[0]))
        else:
            rests = [text[len(prefix) :] for text in group]
            options.append(concatenation(literal(prefix), _tree(rests, level + 1)))
        start = end
    if EMPTY in options:
        options = [*(option for option in options if option != EMPTY), EMPTY]
    return alternation(*options)
