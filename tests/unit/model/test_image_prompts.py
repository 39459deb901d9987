"""Messages with pictures as chat templates of models that take them read them."""

import pytest

from deployments.contracts.generation import Message
from deployments.model.text.chat import ChatTemplate
from deployments.model.text.image_prompts import message_parts, reads_only_parts

PICTURE = {"type": "image"}


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


@pytest.mark.parametrize(
    ("content", "places", "parts"),
    [
        ("look here", (), [text("look here")]),
        ("look here", (0,), [PICTURE, text("look here")]),
        ("look here", (9,), [text("look here"), PICTURE]),
        ("look here", (0, 5, 5), [PICTURE, text("look "), PICTURE, PICTURE, text("here")]),
        ("", (0,), [PICTURE]),
        ("", (), [text("")]),
    ],
)
def test_pictures_stand_at_their_places(
    content: str, places: tuple[int, ...], parts: list[dict[str, str]]
) -> None:
    message = message_parts(Message("user", content, images=places), lambda text: text)

    assert message == {"role": "user", "content": parts}


def test_what_a_caller_may_not_write_is_removed_from_each_text() -> None:
    message = Message("user", "a<image>b<image>", images=(9,))

    parts = message_parts(message, lambda text: text.replace("<image>", ""))["content"]

    assert parts == [text("ab"), PICTURE, text("")]


def test_templates_of_parts_are_told_from_those_of_texts() -> None:
    texts = ChatTemplate("{% for m in messages %}{{ m['content'] }}{% endfor %}", {})
    parts = ChatTemplate(
        "{% for m in messages %}{% for p in m['content'] | selectattr('type', 'equalto', 'text') %}"
        "{{ p['text'] }}{% endfor %}{% endfor %}",
        {},
    )
    strict = ChatTemplate("{{ raise_exception('no user') }}", {})
    both = ChatTemplate("{{ messages }}", {})

    read = [reads_only_parts(each) for each in (texts, parts, strict, both)]
    assert read == [False, True, False, False]
