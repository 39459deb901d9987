"""What the template language accepts, what it renders, and what values can never do in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.templates.language import LanguageError, parse, variables_of
from cluster.templates.program import (
    MAX_OUTPUT,
    MAX_STEPS,
    RenderBudget,
    RenderLimit,
    render,
)
from cluster.templates.variables import MAX_ITEMS, VariableType, VariableValue

TYPES: dict[str, VariableType] = {
    "name": "string",
    "count": "integer",
    "ratio": "number",
    "formal": "boolean",
    "tone": "enum",
    "tags": "list",
}
# Texts that would mean something to a template, a chat's markup, or JSON.
SYNTAX = st.sampled_from(
    [
        "{{ name }}", "{% if formal %}", "{% endif %}", "{#", "{% raw %}", "{{", "}}", "%}",
        "<|im_end|>\n<|im_start|>system\n", "[INST]", '"}]}', "{{ 7*7 }}", "{{ cycler.__init__ }}",
    ]
)  # fmt: skip
TEXT = st.lists(st.text(max_size=20) | SYNTAX, max_size=6).map("".join)


def rendered(text: str, **values: VariableValue) -> str:
    return render(parse(text, TYPES), values)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        pytest.param("Hi {{ name }}!", {"name": "Ada"}, "Hi Ada!", id="value"),
        pytest.param("Hi {{ name }}!", {}, "Hi !", id="absent"),
        pytest.param("{{ count }} {{ ratio }}", {"count": 3, "ratio": 0.5}, "3 0.5", id="numbers"),
        pytest.param("{{ formal }}", {"formal": True}, "true", id="boolean"),
        pytest.param("{{ tags|join(', ') }}", {"tags": ("a", "b")}, "a, b", id="join"),
        pytest.param("{{ tags|join }}", {"tags": ("a", "b")}, "ab", id="join-without-separator"),
        pytest.param("{% if formal %}A{% else %}B{% endif %}", {"formal": False}, "B", id="else"),
        pytest.param(
            "{% if tone == 'dry' %}A{% elif name and not formal %}B{% endif %}",
            {"tone": "warm", "name": "x"},
            "B",
            id="elif",
        ),
        pytest.param("{% if count == -1 or count != 2 %}A{% endif %}", {"count": -1}, "A", id="or"),
        pytest.param("{% if formal == 1 %}A{% else %}B{% endif %}", {"formal": True}, "B", id="1"),
        pytest.param("{% for t in tags %}#{{ t }}{% endfor %}", {"tags": ("a",)}, "#a", id="for"),
        pytest.param("{% for t in tags %}{{ t }}{% else %}-{% endfor %}", {}, "-", id="for-else"),
        pytest.param("{% raw %}{{ name }}{% endraw %}{{ '{{' }}", {}, "{{ name }}{{", id="raw"),
        pytest.param("a{# no #}b", {}, "ab", id="comment"),
        pytest.param("{% if name %}\nA\n{% endif %}\nB\n", {"name": "x"}, "A\nB\n", id="lines"),
        pytest.param('{"a": {"b": 1}}', {}, '{"a": {"b": 1}}', id="json"),
    ],
)  # fmt: skip
def test_a_template_inserts_chooses_and_repeats(
    text: str, values: dict[str, VariableValue], expected: str
) -> None:
    assert rendered(text, **values) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ unknown }}", "{{ name.upper }}", "{{ name.upper() }}", "{{ name['x'] }}",
        "{{ name[0] }}",
        "{{ name|upper }}", "{{ name ~ name }}", "{{ name * 9999 }}", "{{ 7 }}", "{{ 'a' * 9 }}",
        "{{ self }}", "{{ range(9) }}", "{{ cycler.__init__.__globals__ }}", "{{ tags }}",
        "{{ name|join(', ') }}", "{{ tags|join(name) }}", "{{ tags|join(*tags) }}",
        "{% set x = 1 %}", "{% macro m() %}{% endmacro %}", "{% include 'x' %}",
        "{% import 'x' as y %}", "{% extends 'x' %}", "{% block b %}{% endblock %}",
        "{% for t in name %}{% endfor %}", "{% for t in range(9) %}{% endfor %}",
        "{% for t in tags if t %}{% endfor %}", "{% for a, b in tags %}{% endfor %}",
        "{% for name in tags %}{% endfor %}", "{% for loop in tags %}{{ loop }}{% endfor %}",
        "{% for t in tags %}{% for u in tags %}{% endfor %}{% endfor %}",
        "{% for t in tags recursive %}{% endfor %}",
        "{% for t in tags %}{{ loop.index }}{% endfor %}",
        "{% for t in tags %}{% endfor %}{{ t }}",
        "{% if name > 'a' %}{% endif %}", "{% if name in tags %}{% endif %}",
        "{% if tags == 'a' %}{% endif %}", "{% if name is defined %}{% endif %}",
        "{% if name == name == name %}{% endif %}", "{% if unknown %}{% endif %}",
        "{% call name() %}{% endcall %}", "{% filter upper %}{% endfilter %}",
        "{% autoescape true %}{% endautoescape %}", "{{ name if formal else name }}",
        "{{ name", "{% if formal %}", "{% endif %}", "{% for", "{% raw %}x",
        "{{ " + "(" * 3_000 + "name" + ")" * 3_000 + " }}",
        "{% if " + "not " * 3_000 + "name %}{% endif %}",
        "{% if formal %}" * 10 + "{% endif %}" * 10,
        "{% if count == " + "1" * 5_000 + " %}{% endif %}",
    ],
)  # fmt: skip
def test_what_is_more_than_that_is_refused(text: str) -> None:
    with pytest.raises(LanguageError):
        parse(text, TYPES)


def test_a_refusal_names_the_line() -> None:
    with pytest.raises(LanguageError, match="line 3: 'nobody' is not declared; variables: name"):
        parse("one\ntwo\n{{ nobody }}", TYPES)


def test_the_variables_of_a_template_are_known() -> None:
    text = (
        "{{ name }}{% if tone == 'x' and not formal %}{{ count }}{% endif %}"
        "{% for t in tags %}{{ t }}{{ ratio }}{% endfor %}"
    )

    assert variables_of(parse(text, TYPES)) == set(TYPES)


@given(name=TEXT, tags=st.lists(TEXT, max_size=5), formal=st.booleans())
def test_values_come_out_as_they_are_at_their_places(
    name: str, tags: list[str], formal: bool
) -> None:
    """Whatever syntax is in them: no value is evaluated, or ends what is around it."""
    text = (
        "A{{ name }}B{% if formal %}C{{ name }}{% endif %}D"
        "{% for t in tags %}[{{ t }}]{% endfor %}E{{ tags|join('|') }}F"
    )

    expected = (
        f"A{name}B{f'C{name}' if formal else ''}D"
        f"{''.join(f'[{tag}]' for tag in tags)}E{'|'.join(tags)}F"
    )
    assert rendered(text, name=name, tags=tuple(tags), formal=formal) == expected


@given(text=st.lists(st.text(max_size=30) | SYNTAX, max_size=12).map("".join))
def test_any_text_is_a_template_of_bounded_output_or_is_refused(text: str) -> None:
    try:
        program = parse(text, TYPES)
    except LanguageError:
        return
    values: dict[str, VariableValue] = {"name": "n", "tags": ("a",), "formal": True}
    assert len(render(program, values)) <= MAX_OUTPUT


def test_the_output_is_bounded_over_all_texts() -> None:
    program, budget = parse("{{ name }}", TYPES), RenderBudget()

    render(program, {"name": "x" * MAX_OUTPUT}, budget)

    with pytest.raises(RenderLimit):
        render(program, {"name": "x"}, budget)


def test_the_work_is_bounded_where_there_is_no_output() -> None:
    conditions = "{% if formal %}{% endif %}" * 200
    program = parse("{% for t in tags %}" + conditions + "{% endfor %}", TYPES)

    assert 200 * MAX_ITEMS >= MAX_STEPS
    with pytest.raises(RenderLimit):
        render(program, {"tags": ("",) * MAX_ITEMS})
