"""Instructor in its modes that the server answers."""

import instructor
import openai
from pydantic import BaseModel

from checks import KEY, MODEL, QUESTION, URL, check, run

api = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)


class Post(BaseModel):
    emojis: bool


def _post(mode: instructor.Mode) -> None:
    client = instructor.from_openai(api, mode=mode)
    answer = client.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION}],
        response_model=Post,
        max_retries=0,
        max_tokens=64,
    )
    assert isinstance(answer, Post)


@check
def mode_tools() -> None:
    _post(instructor.Mode.TOOLS)


@check
def mode_json_schema() -> None:
    _post(instructor.Mode.JSON_SCHEMA)


@check
def mode_json_reaches_the_model() -> None:
    """JSON mode gives some object; whether it has the field is the model's choice."""
    try:
        _post(instructor.Mode.JSON)
    except Exception as error:
        text = str(error).lower()
        if "validation error" not in text and "max_tokens length limit" not in text:
            raise


run()
