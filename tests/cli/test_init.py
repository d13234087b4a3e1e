"""`init` makes a directory a device."""

import stat
import tomllib


def test_init_writes_settings_without_a_secret_and_creates_the_store(cli):
    done = cli("init", "--database", "mydb", "--json", SOLIDB_API_KEY="sk_secret")
    assert (done.code, done.err) == (0, "")
    file = cli.directory / "solidb.toml"
    written = tomllib.loads(file.read_text())
    assert written == {name: done.json[name] for name in ("url", "database", "store", "device_id")}
    assert written["url"] == "http://localhost:6745"
    assert "sk_secret" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((cli.directory / written["store"]).stat().st_mode) == 0o600
    assert cli.here("put", "notes", "a", "{}").code == 0


def test_two_directories_get_different_device_ids(cli, tmp_path):
    ids = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cli.directory = tmp_path / name
        ids.add(cli.here("init", "--database", "mydb", "--json").json["device_id"])
    assert len(ids) == 2


def test_init_replaces_settings_only_when_told_to(cli):
    assert cli.here("init", "--database", "one", "--device-id", "laptop").code == 0
    refused = cli.here("init", "--database", "two", "--device-id", "laptop")
    assert refused.code == 1
    assert refused.err == "error: solidb.toml exists already; --force replaces it\n"
    assert cli.here("init", "--database", "two", "--device-id", "laptop", "--force").code == 0
    assert tomllib.loads((cli.directory / "solidb.toml").read_text())["database"] == "two"
    assert {path.name for path in cli.directory.iterdir()} == {"solidb.toml", "solidb-store"}


def test_init_refuses_an_address_that_would_show_documents_to_the_network(cli):
    done = cli.here("init", "--database", "mydb", "--url", "http://example.org")
    assert done.code == 2
    assert "use https" in done.err
    assert list(cli.directory.iterdir()) == []
