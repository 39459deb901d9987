"""What a name leads to, and which configurations of names are refused."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from deployments.ingress.names.resolver import NameResolver, Resolution
from deployments.ingress.names.spec import NameSettings
from tests.unit.ingress.names.conftest import GivenFacts, settings

IDS = ("nano", "qwen", "openai-gpt-4o", "openai-o3", "minilm")
FACTS = GivenFacts()


def everything(model: str) -> bool:
    """What a caller may use who may use all there is."""
    return model in IDS


def resolver(aliases: dict[str, object], **fields: Any) -> NameResolver:
    return NameResolver(settings(aliases, **fields), IDS)


def refusal(aliases: dict[str, object], **fields: Any) -> str:
    with pytest.raises(ValueError, match=".") as caught:
        resolver(aliases, **fields)
    return str(caught.value)


def model_of(names: NameResolver, name: str, *allowed: str) -> str | None:
    found = names.resolve(name, FACTS, allowed.__contains__ if allowed else everything)
    return found and found.model


def test_an_id_means_its_model_and_an_alias_its_target() -> None:
    names = resolver({"gpt-4o-mini": "qwen"}, served={"nano": ("tiny", "smallest")})

    assert names.resolve("qwen", FACTS, everything) == Resolution("qwen")
    assert names.resolve("gpt-4o-mini", FACTS, everything) == Resolution("qwen", "gpt-4o-mini")
    assert model_of(names, "tiny") == model_of(names, "smallest") == "nano"
    assert model_of(names, "gpt-5") is None


def test_aliases_lead_over_aliases() -> None:
    names = resolver({"a": "b", "b": "c", "c": "d", "d": "qwen"})

    assert model_of(names, "a") == "qwen"


def test_a_wildcard_carries_the_rest_of_the_name_over() -> None:
    names = resolver({"openai/*": "openai-{}", "claude-*-latest": "qwen"})

    assert model_of(names, "openai/gpt-4o") == "openai-gpt-4o"
    assert model_of(names, "claude-opus-latest") == "qwen"
    assert model_of(names, "openai/gpt-9") is None
    assert model_of(names, "openai/") is None
    assert model_of(names, "claude--latest") is None
    assert model_of(names, "openai/*") is None


def test_a_wildcard_leads_to_aliases_too() -> None:
    names = resolver({"local/*": "{}", "fast": "nano"})

    assert model_of(names, "local/fast") == "nano"
    assert model_of(names, "local/qwen") == "qwen"


def test_the_most_specific_wildcard_counts() -> None:
    names = resolver({"*": "nano", "gpt-*": "qwen", "gpt-4*": "openai-o3", "gpt-4o": "minilm"})

    assert model_of(names, "gpt-4o") == "minilm"
    assert model_of(names, "gpt-4.1") == "openai-o3"
    assert model_of(names, "gpt-5") == "qwen"
    assert model_of(names, "mistral") == "nano"
    assert model_of(names, "qwen") == "qwen"


def test_what_is_not_allowed_does_not_exist() -> None:
    names = resolver({"a": "qwen", "x/*": "{}"})

    assert model_of(names, "qwen", "nano") is None
    assert model_of(names, "a", "nano") is None
    assert model_of(names, "x/qwen", "nano") is None


def test_a_models_id_that_is_not_allowed_is_not_led_elsewhere() -> None:
    names = resolver({"*": "nano"})

    assert model_of(names, "qwen", "nano") is None


def test_weights_divide_requests_and_each_stays_where_it_is() -> None:
    names = resolver({"smart": {"weights": {"qwen": 9, "nano": 1}}})
    requests = [replace(FACTS, request_id=f"r{number}") for number in range(10_000)]

    found = [names.resolve("smart", facts, everything) for facts in requests]
    again = [names.resolve("smart", facts, everything) for facts in requests]

    assert found == again
    assert all(each is not None and each.varies for each in found)
    shares = Counter(each.model for each in found if each)
    assert 880 < shares["nano"] < 1_120  # four standard deviations


def test_a_changed_weight_moves_requests_in_one_direction_only() -> None:
    before = resolver({"smart": {"weights": {"qwen": 90, "nano": 10, "openai-o3": 50}}})
    after = resolver({"smart": {"weights": {"qwen": 90, "nano": 30, "openai-o3": 50}}})

    for number in range(2_000):
        facts = replace(FACTS, request_id=f"r{number}")
        old, new = (each.resolve("smart", facts, everything) for each in (before, after))
        assert old is not None
        assert new is not None
        assert new.model in (old.model, "nano")


def test_the_shares_of_models_that_are_not_allowed_go_to_the_others_by_their_weights() -> None:
    names = resolver({"smart": {"weights": {"qwen": 2, "nano": 1, "openai-o3": 7}}})
    requests = [replace(FACTS, request_id=f"r{number}") for number in range(6_000)]

    def allowed(model: str) -> bool:
        return model != "openai-o3"

    shares = Counter(
        found.model for facts in requests if (found := names.resolve("smart", facts, allowed))
    )

    assert shares.keys() == {"qwen", "nano"}
    assert 1_850 < shares["nano"] < 2_150


def test_a_model_of_weight_0_gets_no_request() -> None:
    names = resolver({"smart": {"weights": {"qwen": 1, "nano": 0}}})

    assert model_of(names, "smart") == "qwen"
    assert model_of(names, "smart", "nano") is None


def test_a_sticky_choice_is_that_of_the_user_in_this_tenant() -> None:
    names = resolver({"smart": {"weights": {"qwen": 1, "nano": 1}, "sticky": "user"}})

    def models(tenant: str, user: str) -> list[str]:
        given = [
            replace(FACTS, tenant=tenant, affinity=user, request_id=f"r{number}")
            for number in range(20)
        ]
        return [
            found.model for each in given if (found := names.resolve("smart", each, everything))
        ]

    users = [f"user-{number}" for number in range(40)]
    assert all(len(set(models("acme", user))) == 1 for user in users)
    assert {models("acme", user)[0] for user in users} == {"qwen", "nano"}
    assert [models("acme", user)[0] for user in users] != [models("evil", u)[0] for u in users]
    assert len(set(models("acme", ""))) == 2, "without a user, each request is for itself"


def test_the_first_rule_that_is_met_counts() -> None:
    names = resolver(
        {
            "smart": {
                "rules": [
                    {"max_prompt_tokens": 10, "modalities": ["text"], "to": "nano"},
                    {"modalities": ["tools"], "to": "openai-o3"},
                ],
                "otherwise": "qwen",
            }
        }
    )

    def model(**facts: Any) -> str | None:
        found = names.resolve("smart", replace(FACTS, **facts), everything)
        return found and found.model

    assert model() == "nano"
    assert model(prompt_tokens=11) == "qwen"
    assert model(modalities=frozenset(("tools",))) == "openai-o3"


def test_a_rule_without_an_allowed_model_is_passed_over() -> None:
    names = resolver(
        {"smart": {"rules": [{"max_prompt_bytes": 999, "to": "nano"}], "otherwise": "qwen"}}
    )

    assert model_of(names, "smart") == "nano"
    assert model_of(names, "smart", "qwen") == "qwen"
    assert model_of(names, "smart", "minilm") is None


def test_models_that_are_found_at_run_time_come_last() -> None:
    spec = settings({"fast": "openai/gpt-5", "azure/*": "openai/{}", "openai/o*": "qwen"}).spec
    names = NameResolver(NameSettings(spec, {}, ("openai/",)), IDS)
    found = (*IDS, "openai/gpt-5", "openai/o3", "other")

    assert names.resolve("openai/gpt-5", FACTS, found.__contains__) == Resolution("openai/gpt-5")
    assert names.resolve("other", FACTS, found.__contains__) == Resolution("other")
    assert model_of(names, "openai/o3", *found) == "qwen"
    for alias in ("fast", "azure/gpt-5"):
        assert model_of(names, alias, *found) == "openai/gpt-5"
        assert model_of(names, alias) is None, "not found yet, or gone"


def test_names_that_always_lead_somewhere_are_listed() -> None:
    names = resolver(
        {
            "a": "qwen",
            "openai/*": "openai-{}",
            "x*": "nano",
            "smart": {"rules": [{"days": ["mon"], "to": "nano"}], "otherwise": "qwen"},
        },
        served={"nano": ("tiny",)},
    )

    assert names.listed.keys() == {"a", "tiny", "smart", "openai/gpt-4o", "openai/o3"}
    assert names.listed["smart"].models == ("nano", "qwen")
    assert not names.listed["smart"].is_open(lambda model: model == "nano")
    assert names.listed["smart"].is_open(lambda model: model == "qwen")


@pytest.mark.parametrize(
    ("aliases", "sentence"),
    [
        ({"a": "b", "b": "c", "c": "a"}, "leads in a circle: a -> b -> c -> a"),
        ({"a": "a"}, "leads in a circle: a -> a"),
        ({"a*": "bx", "b*": "ax"}, "leads in a circle"),
        ({"x/*": "{}", "a": "x/b", "b": "x/a"}, "leads in a circle"),
        ({"a": {"weights": {"nano": 1, "b": 1}}, "b": "a"}, "leads in a circle"),
        ({"a": "gpt-5"}, "names.aliases.a: 'gpt-5' is neither a model nor an alias"),
        ({"a": {"weights": {"nano": 1, "gpt-5": 0}}}, "names.aliases.a.weights: 'gpt-5'"),
        (
            {"a": {"rules": [{"days": ["mon"], "to": "gpt-5"}], "otherwise": "nano"}},
            "names.aliases.a.rules.0: 'gpt-5'",
        ),
        (
            {"a": {"rules": [{"days": ["mon"], "to": "nano"}], "otherwise": "gpt-5"}},
            "names.aliases.a.otherwise: 'gpt-5'",
        ),
        ({"a/*": "gemini-{}"}, r"names.aliases.a/*: no model or alias is called 'gemini-*'"),
        ({"a": "openai-{}"}, "names.aliases.a: 'openai-{}' is neither"),
        ({"a/*": {"weights": {"openai-{}": 1}}}, "is neither a model"),
        ({"nano": "qwen"}, "'nano' is the id of a model, which it would always mean"),
        ({"default": "qwen"}, "names.default"),
        (
            {"a": "b", "b": "c", "c": "d", "d": "e", "e": "nano"},
            "names.aliases.a: leads to a model over 5 names; at most 4 may",
        ),
    ],
)
def test_names_that_lead_nowhere_are_refused_with_their_field(
    aliases: dict[str, object], sentence: str
) -> None:
    assert sentence in refusal(aliases)


def test_a_served_name_belongs_to_one_model() -> None:
    twice = refusal({}, served={"nano": ("tiny",), "qwen": ("tiny",)})
    alias = refusal({"tiny": "qwen"}, served={"nano": ("tiny",)})
    id = refusal({}, served={"nano": ("qwen",)})

    assert twice == "served_names of 'qwen': 'tiny' is in served_names of 'nano' too"
    assert alias == "names.aliases.tiny: 'tiny' is in served_names of 'nano' too"
    assert id.startswith("served_names of 'nano': 'qwen' is the id of a model")


def test_defaults_must_lead_somewhere() -> None:
    assert "names.default: 'gpt-5'" in refusal({}, default="gpt-5")
    assert "names.default_embedding: 'e5'" in refusal({}, default_embedding="e5")
    assert resolver({"a": "nano"}, default="a")


@pytest.mark.parametrize(
    "alias",
    [
        {"a b": "nano"},
        {"": "nano"},
        {"a**b": "nano"},
        {"a*b*": "nano"},
        {"x" * 101: "nano"},
        {"a\n": "nano"},
        {"é": "nano"},
        {"a": ""},
        {"a": "{}{}"},
        {"a": "x{"},
        {"a": 3},
        {"a": None},
        {"a": {}},
        {"a": {"weights": {}}},
        {"a": {"weights": {"nano": 0}}},
        {"a": {"weights": {"nano": -1}}},
        {"a": {"weights": {"nano": 1.5}}},
        {"a": {"weights": {"nano": 1}, "sticky": "tenant"}},
        {"a": {"rules": [], "otherwise": "nano"}},
        {"a": {"rules": [{"days": ["mon"], "to": "nano"}]}},
        {"a": {"rules": [{"days": ["mon"]}], "otherwise": "nano"}},
    ],
)
def test_shapes_that_are_no_names_or_targets_are_refused(alias: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(alias)
