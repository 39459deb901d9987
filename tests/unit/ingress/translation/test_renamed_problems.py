"""Problems that name a field of a chat name that of the body which was sent."""

import pytest

from cluster.runtime.problems import InvalidRequest, ModelFailed, Problem, PromptTooLong
from deployments.ingress.translation import messages, responses
from deployments.ingress.translation.problems import FieldNames, renamed_fields


def renamed(problem: Problem, names: FieldNames) -> Problem:
    with pytest.raises(Problem) as raised, renamed_fields(names):
        raise problem
    return raised.value


@pytest.mark.parametrize(
    ("param", "response", "message"),
    [
        ("messages", "input", "messages"),
        ("messages[3].tool_call_id", "input", "messages"),
        ("messages.3.content.0", "input", "messages"),
        ("max_tokens", "max_output_tokens", "max_tokens"),
        ("max_completion_tokens", "max_output_tokens", "max_tokens"),
        ("stop", "stop", "stop_sequences"),
        ("response_format.json_schema.schema", "text.format.schema", None),
        ("tools[2].function.parameters", "tools[2].parameters", "tools[2].input_schema"),
        ("tools.2.function.parameters/not", "tools.2.parameters/not", "tools.2.input_schema/not"),
        ("tool_choice.function.name", "tool_choice.name", "tool_choice.name"),
        ("temperature", "temperature", "temperature"),
    ],
)
def test_fields_have_the_names_of_the_api(param: str, response: str, message: str | None) -> None:
    problem = InvalidRequest(f"{param}: is out of range.", param=param)

    of_response = renamed(problem, responses.FIELD_NAMES)
    of_message = renamed(problem, messages.FIELD_NAMES)

    assert (of_response.param, of_response.detail) == (response, f"{response}: is out of range.")
    if message is not None:
        assert (of_message.param, of_message.detail) == (message, f"{message}: is out of range.")
    assert problem.param == param


def test_a_problem_stays_what_it_is() -> None:
    too_long = renamed(PromptTooLong("nano", 5_000, 4_096), responses.FIELD_NAMES)

    assert isinstance(too_long, PromptTooLong)
    assert (too_long.extensions["tokens"], too_long.param) == (5_000, "input")


def test_a_problem_of_no_field_is_raised_as_it_is() -> None:
    problem = ModelFailed("nano")

    assert renamed(problem, responses.FIELD_NAMES) is problem
