"""A temporary PostgreSQL server for tests and `benchmarks/store.py`: `Server`.

It needs Debian's `postgresql`, or another package with `initdb` and `pg_ctl`. It has no network
port: clients connect through a socket in its folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psycopg

__all__ = ["Server", "programs"]


def programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: on the path, or the newest of Debian, or None."""
    if path := shutil.which("initdb"):
        return Path(path).parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].parent if places else None


class Server:
    """A running server, as a context manager that removes its folder at the end."""

    def __init__(self, *settings: str) -> None:
        """Create and start the server with settings such as "fsync=off".

        As root, run it as another user, because PostgreSQL refuses root.
        """
        self._settings = ("listen_addresses=", *settings)
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short, as a socket's path must be
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._call("initdb", "--auth=trust", "--username=cryutils", "--encoding=UTF8",
                   "--locale=C", "--no-sync")  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = (*self._settings, f"unix_socket_directories={self.folder}")
        options = " ".join(f"-c {setting}" for setting in settings)
        self._call("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; with `mode` "immediate", as if it had been killed."""
        self._call("pg_ctl", "stop", "-w", "-m", mode)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend all processes of the server meanwhile, as on a suspended machine."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        processes = [first, *map(int, children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def emptied(self) -> str:
        """Empty the database and return its URL."""
        url = f"postgresql://cryutils@/postgres?host={self.folder}"
        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return url

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _call(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None, "PostgreSQL is not installed"
        done = subprocess.run(
            [str(folder / program), "-D", str(self.folder / "data"), *arguments],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            **self._as,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
