"""Versions of templates: what they take, render, and how two of them differ."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.runtime.problems import InvalidRequest
from cluster.templates.diff import FieldChange, compare
from cluster.templates.document import (
    MAX_SOURCE,
    CompiledTemplate,
    RenderedTemplate,
    TemplateDocument,
)


def document(**fields: Any) -> TemplateDocument:
    return TemplateDocument.model_validate(fields)


def render(made: TemplateDocument, **values: Any) -> RenderedTemplate:
    return CompiledTemplate.of(made).render("greeting", 3, values, "template.variables")


CHAT = document(
    messages=[
        {"role": "system", "content": "You write for {{ brand }}."},
        {"role": "user", "content": "Greet {{ name }}."},
    ],
    variables={"brand": {}, "name": {"max_length": 10}},
)


def test_each_value_is_in_the_message_that_names_it() -> None:
    rendered = render(CHAT, brand="Acme", name="Ada")

    assert rendered.messages == (("system", "You write for Acme."), ("user", "Greet Ada."))
    assert rendered.reference == "greeting@3"


@given(brand=st.text(max_size=50), name=st.text(max_size=10))
def test_no_value_makes_another_message_or_role(brand: str, name: str) -> None:
    rendered = render(CHAT, brand=brand, name=name)

    assert rendered.messages == (
        ("system", f"You write for {brand}."),
        ("user", f"Greet {name}."),
    )


def test_a_text_is_a_prompt_or_a_message_of_the_user() -> None:
    rendered = render(document(text="Tea"))

    assert rendered.as_text("template") == "Tea"
    assert rendered.as_messages() == (("user", "Tea"),)


def test_messages_are_no_prompt() -> None:
    with pytest.raises(InvalidRequest) as refused:
        render(CHAT, brand="a", name="b").as_text("template")

    assert refused.value.param == "template.id"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"text": "{{ x }}"}, "text", id="not-declared"),
        pytest.param(
            {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "{{"}]},
            "messages.1.content",
            id="no-template",
        ),
        pytest.param({"text": "a", "variables": {"x": {}}}, "variables.x", id="not-used"),
    ],
)
def test_a_text_that_is_no_template_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        CompiledTemplate.of(document(**fields))

    assert refused.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"text": "a", "messages": [{"role": "user", "content": "a"}]}, id="both"),
        pytest.param({"messages": [{"role": "tool", "content": "a"}]}, id="role"),
        pytest.param({"messages": [{"role": "user", "content": "a" * MAX_SOURCE}] * 2}, id="large"),
        pytest.param({"text": "\n" * 3_000}, id="lines"),
        pytest.param({"text": "a", "variables": {"a b": {}}}, id="name"),
        pytest.param({"text": "a", "variables": {f"v{n}": {} for n in range(60)}}, id="variables"),
        pytest.param({"text": "a", "defaults": {"temperature": 3}}, id="temperature"),
        pytest.param({"text": "a", "defaults": {"tools": []}}, id="unknown-default"),
    ],
)
def test_a_document_over_the_limits_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        document(**fields)


def test_two_versions_differ_in_lines_and_in_fields() -> None:
    before = document(text="one\ntwo {{ a }}", variables={"a": {}}, defaults={"model": "nano"})
    after = document(
        messages=[{"role": "user", "content": "one\nthree {{ b }}"}],
        variables={"b": {"type": "integer"}},
        defaults={"model": "nano", "temperature": 0.5},
    )

    found = compare(before, after, "x@1", "x@2")

    assert found.text.splitlines() == [
        "--- x@1", "+++ x@2", "@@ -1,2 +1,3 @@", "+[user]", " one", "-two {{ a }}",
        "+three {{ b }}",
    ]  # fmt: skip
    assert found.changes == (
        FieldChange("messages", ["text"], ["user"]),
        FieldChange("variables.a", {}, None),
        FieldChange("variables.b", None, {"type": "integer"}),
        FieldChange("defaults.temperature", None, 0.5),
    )


def test_equal_versions_do_not_differ() -> None:
    assert compare(CHAT, CHAT, "x@1", "x@2").text == ""
    assert compare(CHAT, CHAT, "x@1", "x@2").changes == ()
