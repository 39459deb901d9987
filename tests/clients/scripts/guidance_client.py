"""guidance, whose generation asks for alternatives of log probabilities."""

from guidance import assistant, gen, models, user

from checks import KEY, QUESTION, URL, check, run


@check
def generation_with_top_logprobs() -> None:
    model = models.OpenAI("torch", base_url=URL, api_key=KEY)
    with user():
        model += QUESTION
    with assistant():
        model += gen("caption", max_tokens=12)
    assert model["caption"]


run()
