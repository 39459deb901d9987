"""Words of posts and of searches: the one tokenizer of both stores, so that they find the same.

In: text. Out: terms, which SQLite's FTS5 and PostgreSQL's tsvector take as they are: letters and
digits, NFKC, case folded, without accents, at most MAX_WORD characters. Of scripts that put no
spaces between words each character is a term. A post also has terms for its tenant and for each
of its facets (status, platform, language, author, tags), which name the tenant: filters are
searched as words are, and no search reads the postings of other tenants.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.runtime.problems import InvalidRequest
from cluster.storage.words import MAX_WORD, SPACELESS, fold_text, words_of

MAX_SEARCH_TERMS = 16
MIN_PREFIX = 2  # characters before `*`
_SEARCHED = re.compile(rf"(?:[{SPACELESS}]|[^\W_{SPACELESS}]+)\*?")
_SIGN = "\N{SECTION SIGN}"  # no character of a word
Facet = tuple[str, str]  # a field and its value


@dataclass(frozen=True, slots=True)
class SearchTerm:
    text: str
    is_prefix: bool = False


def terms_of(tenant: str, texts: Iterable[str], facets: Iterable[Facet] = ()) -> str:
    """Every term once, in order of appearance, after those of the tenant and the facets."""
    found: dict[str, None] = {tenant_term(tenant): None}
    found.update(dict.fromkeys(facet_term(tenant, facet) for facet in facets))
    for text in texts:
        found.update(dict.fromkeys(words_of(text)))
    return " ".join(found)


def tenant_term(tenant: str) -> str:
    return _SIGN + _digest(tenant)


def facet_term(tenant: str, facet: Facet) -> str:
    return _SIGN + _digest("\0".join((tenant, *facet)))


def search_terms(query: str) -> tuple[SearchTerm, ...]:
    """What a post must have, all of it; a word that ends in `*` stands for those that begin so.

    Raises InvalidRequest (q) if there is no word, or too many.
    """
    found = dict.fromkeys(map(_term, _SEARCHED.findall(fold_text(query))))
    if not found:
        raise InvalidRequest("q: has no words.", param="q")
    if len(found) > MAX_SEARCH_TERMS:
        raise InvalidRequest(
            f"q: has over {MAX_SEARCH_TERMS} words.", param="q", limit=MAX_SEARCH_TERMS
        )
    return tuple(found)


def fts5_query(
    tenant: str, terms: Iterable[SearchTerm] = (), facets: Iterable[Sequence[Facet]] = ()
) -> str:
    """For MATCH, of the tokenizer `ascii`: all of the terms, and of each of the `facets` one."""
    words = [f'"{term.text}"{"*" if term.is_prefix else ""}' for term in terms]
    others = [
        "(" + " OR ".join(f'"{facet_term(tenant, each)}"' for each in some) + ")" for some in facets
    ]
    return " AND ".join([*(others or [f'"{tenant_term(tenant)}"']), *words])


def tsquery(
    tenant: str, terms: Iterable[SearchTerm] = (), facets: Iterable[Sequence[Facet]] = ()
) -> str:
    """The same for PostgreSQL."""
    words = [f"{term.text}{':*' if term.is_prefix else ''}" for term in terms]
    others = ["(" + " | ".join(facet_term(tenant, each) for each in some) + ")" for some in facets]
    return " & ".join([*(others or [tenant_term(tenant)]), *words])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _term(word: str) -> SearchTerm:
    """Raises InvalidRequest (q)."""
    text = word.removesuffix("*")
    is_prefix = text != word and len(text) <= MAX_WORD
    if is_prefix and len(text) < MIN_PREFIX:
        raise InvalidRequest(
            f"q: '{word}' needs {MIN_PREFIX} characters before '*'.", param="q", limit=MIN_PREFIX
        )
    return SearchTerm(text[:MAX_WORD], is_prefix)
