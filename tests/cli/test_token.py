"""`token`: keys are made, listed and revoked while the server runs."""

import re
import stat


def test_create_prints_id_and_key_as_json(server, cli):
    done = cli("token", "create", "--data", str(server.data), "--database", "tokens", "--name", "a", "--json")
    assert (done.code, done.err) == (0, "")
    assert set(done.json) == {"id", "key"}
    assert re.fullmatch(r"sk_[0-9a-f]{64}", done.json["key"])


def test_a_key_opens_its_own_database_until_it_is_revoked(server, device, cli):
    laptop = device("laptop")
    database = laptop.settings["SOLIDB_DATABASE"]
    made = cli.here("token", "create", "--data", str(server.data), "--database", database, "--name", "mine", "--json").json
    laptop.settings["SOLIDB_API_KEY"] = made["key"]
    assert laptop.here("sync").code == 0
    elsewhere = laptop.here("sync", "--database", "somebody-elses", "--store", "other.db")
    assert elsewhere.code == 1
    assert "this key is not for the database 'somebody-elses'" in elsewhere.err
    assert cli("token", "revoke", made["id"], "--data", str(server.data)).out == f"revoked {made['id']}\n"
    assert laptop.here("sync").code == 1


def test_a_read_only_key_fetches_and_cannot_send(server, device, cli):
    laptop = device("laptop")
    database = laptop.settings["SOLIDB_DATABASE"]
    create = ("token", "create", "--data", str(server.data), "--database", database, "--name", "reader", "--read-only")
    made = cli.here(*create)
    assert "read only" in made.err
    laptop.settings["SOLIDB_API_KEY"] = made.out.strip()
    assert laptop.here("sync").code == 0
    laptop.here("put", "notes", "a", "{}")
    refused = laptop.here("sync")
    assert refused.code == 1
    assert "this key is read-only" in refused.err
    assert len(laptop.here("pending", "--json").json["pending"]) == 1


def test_the_list_shows_every_key_and_no_secret(cli):
    create = ("token", "create", "--data", "data", "--database", "mydb", "--name")
    keys = [cli.here(*create, name).out.strip() for name in ("one", "two")]
    done = cli("token", "list", "--data", "data", "--json")
    assert [(key["name"], key["database"], key["read_only"]) for key in done.json["keys"]] == [
        ("one", "mydb", False),
        ("two", "mydb", False),
    ]
    assert not any(key in done.out for key in keys)
    assert stat.S_IMODE((cli.directory / "data" / "server.sqlite").stat().st_mode) == 0o600
    assert len(cli.here("token", "list", "--data", "data").out.splitlines()) == 2


def test_revoking_a_key_that_is_not_there_is_not_done(server, cli):
    done = cli.here("token", "revoke", "0123456789abcdef", "--data", str(server.data))
    assert done.code == 1
    assert "there is no key '0123456789abcdef'" in done.err


def test_a_mistyped_directory_is_not_made_into_a_servers(cli):
    done = cli.here("token", "list", "--data", "dta")
    assert done.code == 1
    assert "no server keeps its files there" in done.err
    assert list(cli.directory.iterdir()) == []


def test_a_database_name_that_cannot_be_one_is_wrong_usage(cli):
    done = cli.here("token", "create", "--data", "data", "--database", "_system", "--name", "a")
    assert done.code == 2
    assert "begins with '_'" in done.err
