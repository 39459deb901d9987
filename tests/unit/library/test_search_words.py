"""Words of texts and of searches are the same words."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.library.tags import normalize_tags
from cluster.library.terms import (
    SearchTerm,
    facet_term,
    fts5_query,
    search_terms,
    tenant_term,
    terms_of,
    tsquery,
)
from cluster.runtime.problems import InvalidRequest
from cluster.storage.words import MAX_WORD


def words(text: str) -> list[str]:
    return terms_of("acme", [text]).split(" ")[1:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café ROOFTOP café", ["cafe", "rooftop"]),
        ("Straße #GrandOpening don't", ["strasse", "grandopening", "don", "t"]),
        ("ﬁne ① ½", ["fine", "1", "1", "2"]),
        ("東京 tower", ["東", "京", "tower"]),
        ("snake_case e-mail a.b", ["snake", "case", "e", "mail", "a", "b"]),
        ("\N{GRINNING FACE} !?", []),
        ("x" * 50, ["x" * MAX_WORD]),
    ],
)
def test_words_are_folded(text: str, expected: list[str]) -> None:
    assert words(text) == list(dict.fromkeys(expected))


def test_a_post_has_a_term_of_its_tenant_that_no_search_can_name() -> None:
    assert terms_of("acme", [""]) == tenant_term("acme") != tenant_term("other")
    assert search_terms(f"{tenant_term('acme')} x") == (
        SearchTerm(tenant_term("acme")[1:]), SearchTerm("x"),
    )  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_a_text_is_found_by_its_own_words(text: str) -> None:
    found = words(text)
    if found and len(found) <= 16:
        plain = unicodedata.normalize("NFKC", text).replace("*", " ")
        assert {term.text for term in search_terms(plain)} == set(found)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_queries_have_no_syntax_but_our_own(text: str) -> None:
    try:
        terms = search_terms(text)
    except InvalidRequest:
        return
    plain = tsquery("acme", terms).replace(" & ", "").replace(":*", "")
    assert not set(plain) & set("'\\:&|!()<> ")
    assert fts5_query("acme", terms).count('"') == 2 * (len(terms) + 1)


@pytest.mark.parametrize("query", ["", "!?", "a*", " ".join(map(str, range(17)))])
def test_queries_that_are_none(query: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        search_terms(query)
    assert refused.value.param == "q"


def test_facets_name_their_tenant() -> None:
    facet = ("status", "draft")
    found = terms_of("acme", ["x"], [facet]).split(" ")

    assert found == [tenant_term("acme"), facet_term("acme", facet), "x"]
    assert facet_term("other", facet) != facet_term("acme", facet) != facet_term("acme", ("s", "t"))
    asked = [[facet, ("status", "archived")], [("tag", "a")]]
    assert tsquery("acme", search_terms("x"), asked).count("|") == 1
    assert fts5_query("acme", (), asked).count("AND") == 1


def test_tags_are_folded_and_each_is_there_once() -> None:
    assert normalize_tags([" Summer  Sale", "summer sale", "ÉTÉ"]) == ("summer sale", "été")


@pytest.mark.parametrize("tags", [[""], ["  "], ["a,b"], ["a\x00b"], ["t" * 41],
                                  [str(number) for number in range(21)]])  # fmt: skip
def test_tags_that_are_none(tags: list[str]) -> None:
    with pytest.raises(ValueError, match="tag"):
        normalize_tags(tags)
