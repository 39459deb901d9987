"""DSPy."""

import dspy

from checks import KEY, MODEL, QUESTION, URL, check, run

model = dspy.LM(f"openai/{MODEL}", api_base=URL, api_key=KEY, max_tokens=96, cache=False)


@check
def language_model() -> None:
    assert model(QUESTION)


@check
def predict_with_json_adapter() -> None:
    with dspy.context(lm=model, adapter=dspy.JSONAdapter()):
        assert dspy.Predict("topic -> emojis: bool")(topic="coffee").emojis in (True, False)


run()
