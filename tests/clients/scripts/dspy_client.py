"""DSPy."""

import dspy
from dspy.utils.exceptions import AdapterParseError

from checks import KEY, MODEL, QUESTION, URL, check, run

model = dspy.LM(f"openai/{MODEL}", api_base=URL, api_key=KEY, max_tokens=96, cache=False)


@check
def language_model() -> None:
    assert model(QUESTION)


@check
def predict_with_json_adapter() -> None:
    """JSON mode gives some object; whether it has the field is the model's choice."""
    with dspy.context(lm=model, adapter=dspy.JSONAdapter()):
        try:
            assert dspy.Predict("topic -> emojis: bool")(topic="coffee").emojis in (True, False)
        except AdapterParseError as error:
            assert "LM Response" in str(error)


run()
