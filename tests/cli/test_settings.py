"""Where settings come from, and which place wins."""

import pytest

from solidb_sync.cli.settings import Settings, client_settings, server_settings
from solidb_sync.errors import ConfigError


def settings(flags=None, environment=None, file=None):
    return Settings(flags or {}, environment or {}, file or {})


def test_a_flag_wins_over_the_environment_and_that_over_the_file():
    file = {"database": "from-file", "url": "file:1", "store": "file.db"}
    environment = {"SOLIDB_DATABASE": "from-variable", "SOLIDB_URL": "variable:1"}
    given = settings({"database": "from-flag", "url": None}, environment, file)
    assert [given.find(name) for name in ("database", "url", "store")] == ["from-flag", "variable:1", "file.db"]


def test_an_empty_variable_counts_as_not_set():
    assert settings(environment={"SOLIDB_URL": ""}, file={"url": "file:1"}).find("url") == "file:1"


def test_a_missing_setting_is_told_with_the_three_ways_to_give_it():
    with pytest.raises(ConfigError, match=r"device_id: not set; give --device-id, set SOLIDB_DEVICE_ID, or write device_id"):
        settings().need("device_id")


def test_a_secret_comes_from_its_variable_or_from_a_file_without_the_line_break(tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("sk_in_a_file\n")
    assert settings(environment={"SOLIDB_API_KEY": "sk_direct"}).secret("api_key") == "sk_direct"
    assert settings(environment={"SOLIDB_API_KEY_FILE": str(key_file)}).secret("api_key") == "sk_in_a_file"
    assert settings(file={"api_key_file": str(key_file)}).secret("api_key") == "sk_in_a_file"
    assert settings().secret("api_key") is None


def test_a_secrets_flag_wins_over_its_variable_and_that_over_the_settings_file(tmp_path):
    for name in ("flag", "variable", "file"):
        (tmp_path / name).write_text(name)
    file = {"api_key_file": str(tmp_path / "file")}
    environment = {"SOLIDB_API_KEY_FILE": str(tmp_path / "variable")}
    assert settings({"api_key_file": str(tmp_path / "flag")}, environment, file).secret("api_key") == "flag"
    assert settings({}, environment, file).secret("api_key") == "variable"
    assert settings({}, {"SOLIDB_API_KEY": "direct"}, file).secret("api_key") == "direct"


def test_a_secret_given_directly_and_by_file_is_refused():
    with pytest.raises(ConfigError, match="SOLIDB_API_KEY and SOLIDB_API_KEY_FILE are both set"):
        settings(environment={"SOLIDB_API_KEY": "one", "SOLIDB_API_KEY_FILE": "two"}).secret("api_key")


def test_a_secret_file_that_is_missing_or_empty_is_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match=r"nowhere can't be read: No such file"):
        settings({"api_key_file": "nowhere"}).secret("api_key")
    with pytest.raises(ConfigError, match=r"empty is empty; write the key into it"):
        settings({"api_key_file": str(tmp_path / "empty")}).secret("api_key")


def test_numbers_and_yes_or_no_are_read_strictly():
    assert settings(environment={"SOLIDB_PORT": "8080"}).whole_number("port", 1) == 8080
    assert settings().whole_number("port", 1) == 1
    with pytest.raises(ConfigError, match=r"port: expected a whole number, found '80\.5'"):
        settings(environment={"SOLIDB_PORT": "80.5"}).whole_number("port", 1)
    assert settings(file={"allow_plain_http": True}).boolean("allow_plain_http")
    assert not settings().boolean("allow_plain_http")
    with pytest.raises(ConfigError, match="allow_plain_http: expected true or false, found 'maybe'"):
        settings(environment={"SOLIDB_ALLOW_PLAIN_HTTP": "maybe"}).boolean("allow_plain_http")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("url = ", "not TOML"),
        ('colour = "red"', "'colour' is not a setting; known are url, database"),
        ('api_key = "sk_1"', "api_key is a secret; keep it in a file of its own"),
        ('url = ["a"]', r"url: expected a string, a number or true/false, found \['a'\]"),
    ],
)
def test_a_settings_file_that_is_wrong_is_refused_with_the_place(text, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solidb.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"solidb.toml: .*{problem}"):
        client_settings({})


def test_the_server_reads_a_table_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solidb.toml").write_text('url = "for-the-device:1"\n[server]\ndata = "here"\nport = 7000\n')
    given = server_settings({})
    assert (given.find("data"), given.whole_number("port", 1), given.find("url")) == ("here", 7000, None)
    assert client_settings({}).find("data") is None


def test_the_commands_obey_the_order_of_the_three_places(cli):
    (cli.directory / "solidb.toml").write_text('store = "file.db"\ndevice_id = "from-file"\n')
    assert cli.here("put", "notes", "a", "{}").code == 0
    assert cli.here("put", "notes", "a", "{}", SOLIDB_STORE="variable.db").code == 0
    assert cli("put", "notes", "a", "{}", "--store", "flag.db", SOLIDB_STORE="variable.db").code == 0
    assert {"file.db", "variable.db", "flag.db"} <= {path.name for path in cli.directory.iterdir()}


def test_a_command_without_its_settings_is_wrong_usage(cli):
    done = cli.here("pending", "--json")
    assert done.code == 2
    assert done.error == {
        "error": "store: not set; give --store, set SOLIDB_STORE, or write store into solidb.toml",
        "type": "ConfigError",
        "code": 2,
    }


def test_the_key_of_the_store_comes_from_a_variable_or_a_file_and_is_never_written_into_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("a passphrase\n")
    monkeypatch.setenv("SOLIDB_ENCRYPTION_KEY_FILE", str(tmp_path / "key"))
    assert client_settings({}).secret("encryption_key") == "a passphrase"
    monkeypatch.delenv("SOLIDB_ENCRYPTION_KEY_FILE")
    (tmp_path / "solidb.toml").write_text('encryption_key = "a passphrase"\n')
    with pytest.raises(ConfigError, match="encryption_key is a secret"):
        client_settings({})
