"""Which items are left out of a conversation that is too long."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import PromptTooLong
from deployments.ingress.translation.truncation import shortened

Item = dict[str, Any]


def message(text: str) -> Item:
    return {"type": "message", "content": [{"type": "input_text", "text": text}]}


def call(id: str) -> Item:
    return {"type": "function_call", "call_id": id, "arguments": "{}"}


def output(id: str) -> Item:
    return {"type": "function_call_output", "call_id": id, "output": "result"}


def too_long(tokens: int, limit: int) -> PromptTooLong:
    return PromptTooLong("nano", tokens, limit)


def test_as_much_text_is_left_as_fits() -> None:
    items = [message("x" * 10) for _ in range(10)]

    assert shortened(items, too_long(100, 50)) == items[6:]  # 45 of 100 characters


def test_bytes_count_where_the_tokens_are_not_known() -> None:
    items = [message("x" * 10) for _ in range(10)]

    problem = PromptTooLong.by_size("nano", 1_000, 500, 64, "messages")

    assert shortened(items, problem) == items[6:]


def test_an_output_stays_with_its_call() -> None:
    items = [message("x" * 100), call("a"), call("b"), output("a"), output("b")]

    assert shortened(items, too_long(100, 1)) == items[1:]


def test_the_last_item_is_never_left_out() -> None:
    assert shortened([message("x" * 100)], too_long(100, 1)) is None
    assert shortened([call("a"), output("a")], too_long(100, 1)) is None


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.integers(1, 1_000),
    st.integers(1, 1_000),
)
def test_fewer_items_are_left_each_time_until_none_can_be(
    kinds: list[int], tokens: int, limit: int
) -> None:
    items: list[Item] = []
    for number, kind in enumerate(kinds):
        items += [message("x" * 7 * kind)] if kind else [call(f"c{number}"), output(f"c{number}")]

    left: list[Item] | None = items
    while left is not None:
        calls = {item["call_id"] for item in left if item["type"] == "function_call"}
        assert all(
            item["call_id"] in calls for item in left if item["type"] == "function_call_output"
        )
        shorter = shortened(left, too_long(tokens, limit))
        assert shorter is None or 0 < len(shorter) < len(left)
        left = shorter
