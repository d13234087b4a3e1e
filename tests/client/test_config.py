"""Settings and addresses: a bad one is refused with its name, its value and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync import ConfigError, ConflictStrategy, HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.client.transport.http_transport import base_url


def test_every_setting_has_the_documented_default() -> None:
    config = SyncConfig()
    assert (config.sync_interval_secs, config.batch_size, config.max_retries) == (30, 100, 5)
    assert (config.auto_sync, config.live, config.collections, config.delta_threshold) == (True, True, (), 0.5)
    assert config.conflict_strategy is ConflictStrategy.LAST_WRITE_WINS


def test_a_list_of_collections_is_kept_as_a_tuple() -> None:
    assert SyncConfig(collections=["users", "orders"]).collections == ("users", "orders")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("batch_size", 0, "batch_size: expected an integer from 1 to 1000, found 0"),
        ("batch_size", 1001, "found 1001"),
        ("batch_size", True, "found True"),
        ("batch_size", "100", "found '100'"),
        ("sync_interval_secs", 0, "sync_interval_secs: expected a number from"),
        ("sync_interval_secs", float("nan"), "found nan"),
        ("max_retries", -1, "max_retries: expected an integer from 0"),
        ("delta_threshold", 1.5, "delta_threshold: expected a number from 0 to 1"),
        ("auto_sync", 1, "auto_sync: expected True or False"),
        ("collections", "users", "collections: expected a list of names, found the string 'users'"),
        ("collections", ["_system"], "collections: '_system' begins with '_'"),
        ("collections", [1], "collections: 1 is not a string"),
        ("database", "a/b", "database: 'a/b' is not a name"),
        ("max_pending_changes", 0, "max_pending_changes: expected an integer from 1"),
        ("conflict_strategy", "manual", "expected a ConflictStrategy, found 'manual'"),
    ],
)
def test_a_bad_setting_is_refused_by_name(setting: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SyncConfig(**{setting: value})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("localhost:6745", "http://localhost:6745"),
        ("localhost", "http://localhost:6745"),
        ("127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://[::1]:6745", "http://[::1]:6745"),
        ("https://sync.example.com", "https://sync.example.com:443"),
        ("https://example.com/base/", "https://example.com:443/base"),
    ],
)
def test_an_address_is_a_host_and_port_or_a_url(address: str, url: str) -> None:
    assert base_url(address, allow_plain_http=False) == url


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://sync.example.com", "would show every document to the network"),
        ("example.com:6745", "would show every document to the network"),
        ("ftp://localhost", "expected host:port or an http(s) URL"),
        ("localhost:99999", "no valid port"),
        ("", "expected host:port"),
        ("http://user:pw@localhost", "expected host:port"),
    ],
)
def test_an_address_that_can_not_be_used_is_refused(address: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        HttpClient(address, 5000, database="mydb")
    assert said in str(refused.value)


def test_plain_http_to_another_machine_must_be_allowed_by_name() -> None:
    assert HttpClient("example.com:6745", database="d", allow_plain_http=True).base_url == "http://example.com:6745"


@pytest.mark.parametrize("timeout", [0, -5, 1.5, True, "5000"])
def test_a_timeout_is_a_number_of_milliseconds(timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout_ms: expected an integer"):
        HttpClient("localhost:1", timeout)


def test_only_one_kind_of_credentials_is_taken() -> None:
    with pytest.raises(ConfigError, match="give one kind, found api_key and token or token_provider"):
        HttpClient("localhost:1", api_key="sk_a", token="t")
    with pytest.raises(ConfigError, match="give both or none"):
        HttpClient("localhost:1", username="ann")
    with pytest.raises(ConfigError, match="printable ASCII"):
        HttpClient("localhost:1", api_key="a\r\nx-admin: 1")


def test_credentials_are_not_shown() -> None:
    assert "sk_secret" not in repr(HttpClient("localhost:1", database="d", api_key="sk_secret"))
    assert "hunter2" not in repr(SyncConfig(encryption_key="hunter2"))


def test_a_manager_needs_a_database_and_does_nothing_when_made() -> None:
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        with pytest.raises(ConfigError, match="database: name it"):
            SyncManager(store, HttpClient("localhost:1"), SyncConfig())
        SyncManager(store, HttpClient("localhost:1"), SyncConfig(database="mydb"))
