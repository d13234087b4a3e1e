"""`serve`: what unattended programs rely on."""

import re
import signal
import socket

from solidb_sync import LocalStore

ADMIN_KEY = "another-administrator-" + "k" * 32
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:[1-9][0-9]*)")


def test_serve_prints_one_line_when_it_is_ready_and_stops_cleanly_on_sigterm(cli):
    with cli.start("serve", "--data", "data", "--port", "0", SOLIDB_API_KEY=ADMIN_KEY) as serving:
        url = LISTENING.fullmatch(serving.line(serving.out)).group(1)
        client = {
            "SOLIDB_URL": url,
            "SOLIDB_DATABASE": "made-on-first-use",
            "SOLIDB_API_KEY": ADMIN_KEY,
            "SOLIDB_STORE": "store.db",
            "SOLIDB_DEVICE_ID": "laptop",
        }
        assert cli.here("put", "notes", "a", "{}", **client).code == 0
        assert cli.here("sync", **client).code == 0
        assert serving.stop(signal.SIGTERM) == 0
        assert (serving.out.get(timeout=60), serving.err.get(timeout=60)) == (None, None)


def test_a_server_without_a_key_says_how_to_make_one_and_takes_it_at_once(cli):
    client = {"SOLIDB_DATABASE": "mydb", "SOLIDB_STORE": "store.db", "SOLIDB_DEVICE_ID": "laptop"}
    with cli.start("serve", "--data", "data", "--port", "0") as serving:
        url = LISTENING.fullmatch(serving.line(serving.out)).group(1)
        note = serving.line(serving.err)
        assert "solidb-sync token create --data data --database NAME --name LABEL" in note
        key = cli("token", "create", "--data", "data", "--database", "mydb", "--name", "laptop").out.strip()
        assert cli.here("sync", SOLIDB_URL=url, SOLIDB_API_KEY=key, **client).code == 0


def test_two_servers_on_one_directory_are_refused(server, cli):
    done = cli("serve", "--data", str(server.data), "--port", "0")
    assert (done.code, done.out) == (1, "")
    assert "another server is running on this directory" in done.err


def test_a_short_administrators_key_is_refused(cli):
    done = cli("serve", "--data", "data", "--port", "0", "--json", SOLIDB_API_KEY="k" * 31)
    assert (done.code, done.out) == (2, "")
    assert "has 31 characters; use at least 32" in done.error["error"]
    assert "k" * 31 not in done.err


def test_a_port_in_use_is_not_done(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("serve", "--data", "data", "--port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "cannot listen on 127.0.0.1:" in done.err


def test_listening_to_other_machines_needs_a_key(cli):
    done = cli("serve", "--data", "data", "--host", "0.0.0.0", "--port", "0")
    assert done.code == 2
    assert "there is no API key yet" in done.err


def test_postgres_is_refused_as_not_available(cli):
    done = cli.here("serve", "--data", "data", "--backend", "postgres", "--database-url", "postgres://localhost/x")
    assert done.code == 2
    assert "postgres is not available in this version" in done.err
    assert list(cli.directory.iterdir()) == []


def test_the_servers_settings_come_from_the_environment_and_the_key_from_a_file(cli):
    (cli.directory / "admin.key").write_text(ADMIN_KEY + "\n")
    settings = {"SOLIDB_DATA": "data", "SOLIDB_PORT": "0", "SOLIDB_API_KEY_FILE": "admin.key"}
    with cli.start("serve", "--json", **settings) as serving:
        assert serving.line(serving.out).startswith('{"listening":"http://127.0.0.1:')
        assert serving.stop(signal.SIGINT) == 0
        assert serving.err.get(timeout=60) is None


def test_a_directory_that_cannot_be_made_is_told_without_a_traceback(cli):
    (cli.directory / "file").write_text("")
    done = cli("serve", "--data", "file/data", "--port", "0")
    assert done.code == 1
    assert done.err.startswith("error: file/data")
    assert len(done.err.splitlines()) == 1


def test_a_devices_store_is_not_a_servers_directory(cli):
    LocalStore.open(cli.directory / "store.db", "laptop").close()
    assert cli("serve", "--data", "store.db", "--port", "0").code == 1


def test_a_refused_request_is_found_in_the_log_by_what_the_device_was_told(cli):
    """N4: only the id goes from the one to the other."""
    settings = {"SOLIDB_API_KEY": ADMIN_KEY, "SOLIDB_LOG_LEVEL": "info"}
    with cli.start("serve", "--data", "data", "--port", "0", **settings) as serving:
        url = LISTENING.fullmatch(serving.line(serving.out)).group(1)
        client = {"SOLIDB_DATABASE": "mydb", "SOLIDB_STORE": "store.db", "SOLIDB_DEVICE_ID": "laptop", "SOLIDB_URL": url}
        refused = cli.here("sync", SOLIDB_API_KEY="sk_" + "0" * 64, **client)
        assert refused.code == 1
        request_id = re.search(r"\(request ([0-9a-f]{16})\)$", refused.err.strip()).group(1)
        assert f"INFO solidb_sync.server: request {request_id}: POST '/_api/sync/delta' refused: 401" in serving.line(
            serving.err
        )
        assert serving.stop(signal.SIGTERM) == 0


def test_an_unknown_log_level_is_refused(cli):
    done = cli("serve", "--data", "data", "--port", "0", SOLIDB_LOG_LEVEL="loud")
    assert done.code == 2
    assert "log_level: expected one of debug, info, warning, found 'loud'" in done.err
