"""What routing knows of a request: how much work it is, and what it begins with."""

from types import SimpleNamespace

from cluster.balancing.request_info import ANSWER_TOKENS, NOTHING, RoutingRequest, describe_request


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
    assert describe_request(generate("x" * 400, max_tokens=50, n=3), 0) == RoutingRequest(
        "a", 250, 0, 3
    )
    assert describe_request(generate("x" * 400), 0).tokens == 100 + ANSWER_TOKENS


def test_texts_to_embed_are_work_without_an_answer() -> None:
    caller = SimpleNamespace(tenant="t")
    request = SimpleNamespace(request_id="a", caller=caller, texts=("x" * 40, "y" * 40))
    assert describe_request(request, 0) == RoutingRequest("a", 20, 0, 2)


def test_token_ids_are_work_by_their_number() -> None:
    caller = SimpleNamespace(tenant="t")
    ids = ((1,) * 30, (2,) * 10)
    request = SimpleNamespace(request_id="a", caller=caller, texts=(), token_ids=ids)
    assert describe_request(request, 1024).tokens == 40
    assert describe_request(request, 1024).sequences == 2


def test_ids_to_detokenize_are_hardly_any_work() -> None:
    request = SimpleNamespace(request_id="a", caller=SimpleNamespace(tenant="t"), ids=(1, 2))
    assert describe_request(request, 1024).tokens == 0


def test_whatever_is_no_request_asks_for_nothing() -> None:
    assert describe_request(None, 1024) == describe_request("text", 1024) == NOTHING


def test_only_the_beginning_makes_the_key() -> None:
    one, two = generate("b" * 32 + "one"), generate("b" * 32 + "two")
    assert describe_request(one, 32).key == describe_request(two, 32).key
    assert describe_request(one, 35).key != describe_request(two, 35).key


def test_tenants_share_no_key() -> None:
    assert (
        describe_request(generate("same"), 64).key
        != describe_request(generate("same", tenant="u"), 64).key
    )


def test_the_id_of_the_attempt_comes_before_that_of_the_request() -> None:
    request = generate("x", call="p-1")

    assert describe_request(request, 0).call == "p-1"


def test_a_question_about_an_attempt_goes_to_its_replica() -> None:
    request = SimpleNamespace(replica="r7", call="p-1")

    assert describe_request(request, 0) == RoutingRequest(replica="r7")
