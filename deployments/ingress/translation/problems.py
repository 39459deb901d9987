"""Problems of a chat in the words of the API by which it was asked for.

In: a Problem that names a field of a chat request. Out: the same Problem, naming the field of the
body that the client has sent.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from cluster.runtime.problems import InvalidRequest, Problem
from deployments.ingress.schemas.openai import ChatRequest

FieldNames = Sequence[tuple[re.Pattern[str], str]]


@contextmanager
def renamed_fields(names: FieldNames) -> Iterator[None]:
    """Problems that are raised in the body of the `with` name fields by `names`: pairs of a
    pattern of chat's names and what replaces its first match.
    """
    try:
        yield
    except Problem as problem:
        if problem.param is None:
            raise
        raise _rename(problem, problem.param, names) from problem


def to_chat(
    fields: Mapping[str, Any], names: FieldNames, schema: type[ChatRequest] = ChatRequest
) -> ChatRequest:
    """The chat request of these fields. Raises InvalidRequest naming a field by `names`."""
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(str(step) for step in first["loc"])
        name = re.sub(r"\.(\d+)", r"[\1]", name)
    with renamed_fields(names):
        raise InvalidRequest(f"{name}: {first['msg']}", param=name)


def _rename(problem: Problem, param: str, names: FieldNames) -> Problem:
    for pattern, name in names:
        if pattern.match(param):
            renamed = copy.copy(problem)
            new = pattern.sub(name, param, count=1)
            renamed.extensions = {**problem.extensions, "param": new}
            renamed.detail = pattern.sub(name, problem.detail, count=1)
            return renamed
    return problem
