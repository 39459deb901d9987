"""Regular expressions, choices and callers' own grammars."""

import json
import re
from random import Random

import pytest

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import FormatKind, OutputFormat
from deployments.model.text.structured.compiler import compile_output
from deployments.model.text.structured.matching import TextMatcher
from deployments.model.text.structured.regex_parser import parse_regex
from tests.unit.model.structured.reference_grammar import ReferenceGrammar

PATTERNS = [
    r"[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}",
    r"([a-zA-Z0-9-]+\.)+[a-z]{2,}",
    r"(\d+,)*\d+",
    r"#[0-9a-fA-F]{6}|rgb\(\d{1,3}(, \d{1,3}){2}\)",
    r"^(?:Q[1-4]|H[12]) 20\d\d$",
    r"(?P<year>\d{4})-\d{2}",
    '[^"\\\\\\n]{1,5}\\t?',
    r"a??b+?c{2}",
    r"[\]\-^a]\x41\u00e9",
    ".*a.*b",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_of_a_pattern_match_it_in_python_as_well(pattern: str) -> None:
    grammar = ReferenceGrammar(compile_output(OutputFormat("regex", pattern)).ebnf)
    matcher = TextMatcher(parse_regex(pattern, "regex"))
    rng = Random(1)

    for _ in range(30):
        text = grammar.generate(rng)

        assert re.fullmatch(pattern, text)
        assert matcher.matches(text)
        assert grammar.matches(text)
        assert not matcher.matches(text + "\n\n~")


def test_matching_takes_no_longer_for_patterns_that_backtrack() -> None:
    matcher = TextMatcher(parse_regex("(a+)+$", "regex"))

    assert matcher.matches("a" * 2_000)
    assert not matcher.matches("a" * 2_000 + "b")


@pytest.mark.parametrize(
    ("kind", "definition", "why"),
    [
        ("regex", r"(a)\1", "back references"),
        ("regex", r"a(?!b)", "look-around"),
        ("regex", r"\bword\b", r"'\\b'"),
        ("regex", "a++", "possessive"),
        ("regex", r"\p{L}", "the escape"),
        ("regex", "a{0,101}", "above 100"),
        ("regex", "[a-z]{0,60}[a-z]{0,60}", "in a row"),
        ("regex", "((a{1,9}b){1,9}c){1,9}", "inside of each other"),
        ("regex", "(([a-z]+ ?)+)+x", "go on with the same character"),
        ("regex", "(.*a.*b)*", "go on with the same character"),
        ("grammar", 'root ::= (="a") "a"', "unknown"),
        ("grammar", 'root ::= "a"{3,200}', "above 100"),
        ("grammar", 'root ::= s\ns ::= "a" | "a" s s', "tells its end"),
    ],
)  # fmt: skip
def test_what_would_slow_an_engine_or_has_no_meaning_is_refused_by_name(
    kind: FormatKind, definition: str, why: str
) -> None:
    with pytest.raises(InvalidRequest, match=why):
        compile_output(OutputFormat(kind, definition))


@pytest.mark.parametrize(
    ("kind", "definition", "why"),
    [
        ("regex", "(", "unclosed"),
        ("regex", "a)", "unopened"),
        ("regex", "[z-a]", "wrong order"),
        ("regex", "*a", "nothing to repeat"),
        ("regex", "a{2", "begins no repeat"),
        ("regex", "(a*)*", "may be empty"),
        ("regex", "x" * 5_000, "4096"),
        ("grammar", "", "no rule named 'root'"),
        ("grammar", 'root ::= "a" b', "'b' used and not defined"),
        ("grammar", 'root ::= "a"\nroot ::= "b"', "two rules"),
        ("grammar", 'root ::= root "a" | "b"', "begins with itself"),
        ("grammar", "root ::= root", "no finite text"),
        ("grammar", 'root ::= "a', "unknown"),
        ("grammar", 'root ::= ("a"', "unclosed"),
        ("choice", "[]", "a list of texts"),
        ("choice", '["a", 1]', "a list of texts"),
        ("choice", "{", "no JSON"),
    ],
)
def test_broken_definitions_are_refused(kind: FormatKind, definition: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refusal:
        compile_output(OutputFormat(kind, definition, "guided_x"))

    assert refusal.value.param == "guided_x"
    assert not isinstance(refusal.value, UnsupportedParameter)


def test_a_choice_has_one_way_for_texts_that_begin_alike() -> None:
    choices = ["no", "not yet", "not", "yes", "日本", "日曜"]
    compiled = compile_output(OutputFormat("choice", json.dumps(choices)))
    grammar = ReferenceGrammar(compiled.ebnf)

    assert all(map(grammar.matches, choices))
    assert not any(map(grammar.matches, ["n", "not y", "", "日"]))
    assert compiled.ebnf.count('"no"') == 1
    assert compiled.accepts("not")
    assert not compiled.accepts("not y")


def test_a_callers_grammar_keeps_its_language_and_loses_its_names() -> None:
    sql = """
    # a query
    root ::= "SELECT " name (", " name)* (" WHERE " name " = " value)?
    name ::= [a-z_]+
    value ::= [0-9]+ | "'" [^'\\\\]* "'"
    """
    compiled = compile_output(OutputFormat("grammar", sql))
    grammar = ReferenceGrammar(compiled.ebnf)

    assert grammar.matches("SELECT a, b_c WHERE a = 'x y'")
    assert not grammar.matches("SELECT a WHERE a")
    assert "name" not in compiled.ebnf


def test_ordinary_recursive_grammars_are_taken() -> None:
    for ebnf in (
        'root ::= l\nl ::= i | i "," l\ni ::= [a-z]+ | "(" l ")"',
        'root ::= e\ne ::= t (("+" | "-") t)*\nt ::= [0-9]+ | "(" e ")"',
        'root ::= v\nv ::= "[" (v ("," v)*)? "]" | "\\"" [^"]* "\\"" | "-"? [0-9]+',
    ):
        compile_output(OutputFormat("grammar", ebnf))
