"""What routing knows of a request: how much work it is, and what it begins with."""

from types import SimpleNamespace

from cluster.balancing.request_info import ANSWER_TOKENS, NOTHING, RoutingRequest, ask_of


def generate(text: str, tenant: str = "t", **more: object) -> SimpleNamespace:
    sampling = SimpleNamespace(max_tokens=more.pop("max_tokens", None))
    request = SimpleNamespace(
        request_id="a",
        caller=SimpleNamespace(tenant=tenant),
        prompt=None,
        messages=(SimpleNamespace(content=text),),
        sampling=sampling,
        n=1,
    )
    return SimpleNamespace(**(vars(request) | more))


def test_work_is_estimated_from_the_prompt_the_maximum_and_the_choices() -> None:
    assert ask_of(generate("x" * 400, max_tokens=50, n=3), 0) == RoutingRequest("a", 250, 0, 3)
    assert ask_of(generate("x" * 400), 0).tokens == 100 + ANSWER_TOKENS


def test_texts_to_embed_are_work_without_an_answer() -> None:
    caller = SimpleNamespace(tenant="t")
    request = SimpleNamespace(request_id="a", caller=caller, texts=("x" * 40, "y" * 40))
    assert ask_of(request, 0) == RoutingRequest("a", 20, 0, 2)


def test_whatever_is_no_request_asks_for_nothing() -> None:
    assert ask_of(None, 1024) == ask_of("text", 1024) == NOTHING


def test_only_the_beginning_makes_the_key() -> None:
    one, two = generate("b" * 32 + "one"), generate("b" * 32 + "two")
    assert ask_of(one, 32).key == ask_of(two, 32).key
    assert ask_of(one, 35).key != ask_of(two, 35).key


def test_tenants_share_no_key() -> None:
    assert ask_of(generate("same"), 64).key != ask_of(generate("same", tenant="u"), 64).key


def test_the_id_of_the_attempt_comes_before_that_of_the_request() -> None:
    request = generate("x", call="p-1")

    assert ask_of(request, 0).call == "p-1"


def test_a_question_about_an_attempt_goes_to_its_replica() -> None:
    request = SimpleNamespace(replica="r7", call="p-1")

    assert ask_of(request, 0) == RoutingRequest(replica="r7")
