"""What is kept of the configuration that runs, and what may not change under it."""

from pathlib import Path

from cluster.ops.last_good_config import LastGoodConfig

ASKED = {"http_options": {"host": "127.0.0.1", "port": 8000}, "applications": [{"name": "a"}]}
SENT = {**ASKED, "http_options": {"host": "127.0.0.1", "port": 7000}}
DEPLOYED = LastGoodConfig(ASKED, SENT)


def test_it_is_read_as_it_was_kept_and_private(tmp_path: Path) -> None:
    DEPLOYED.save(tmp_path)

    assert LastGoodConfig.load(tmp_path) == DEPLOYED
    assert (tmp_path / "deployed.json").stat().st_mode & 0o777 == 0o600


def test_what_is_not_there_or_broken_is_none(tmp_path: Path) -> None:
    assert LastGoodConfig.load(tmp_path) is None
    (tmp_path / "deployed.json").write_text("[1]")
    assert LastGoodConfig.load(tmp_path) is None


def test_what_was_sent_last_counts_until_something_is_seen_to_work(tmp_path: Path) -> None:
    sent = LastGoodConfig(ASKED, {**SENT, "applications": []})
    DEPLOYED.save(tmp_path)

    sent.save_pending(tmp_path)
    assert LastGoodConfig.load_last(tmp_path) == sent
    assert LastGoodConfig.load(tmp_path) == DEPLOYED

    DEPLOYED.save(tmp_path)
    assert LastGoodConfig.load_last(tmp_path) == DEPLOYED


def test_other_applications_are_no_conflict() -> None:
    assert DEPLOYED.conflicts({**ASKED, "applications": []}) == []


def test_addresses_and_proxies_are_a_conflict_that_names_both_sides() -> None:
    asked = {**ASKED, "http_options": {"port": 9000, "host": "127.0.0.1"}, "proxy_location": "X"}

    port, proxy = DEPLOYED.conflicts(asked)

    assert port.startswith("http_options.port: 9000 instead of 8000 ")
    assert "mobula down" in port
    assert proxy.startswith("proxy_location: 'X' instead of None ")


def test_what_is_sent_next_keeps_the_address_that_the_cluster_listens_on() -> None:
    asked = {**ASKED, "logging_config": {}}

    new = DEPLOYED.with_applications(asked, [{"name": "b"}])

    assert new.asked == asked
    assert new.sent == {**SENT, "logging_config": {}, "applications": [{"name": "b"}]}
