"""A temporary PostgreSQL server for tests: `Server`.

It needs Debian's `postgresql`, or another package with `initdb` and `pg_ctl`. Clients connect
through a socket in its folder.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import sqlalchemy as sa


def programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: on the path, or the newest of Debian, or None."""
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))
    path = shutil.which("initdb") or next(reversed(places), None)
    return Path(path).parent if path else None


class Server(AbstractContextManager):  # type: ignore[type-arg]
    """A running server, whose folder is removed at the end.

    What a killed server wrote is in the system's hands; only a machine's end asks for fsync.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short, as a socket's path must be
        self._options = f"-c fsync=off -c listen_addresses= -c unix_socket_directories={self.folder}"
        if os.geteuid() == 0:  # PostgreSQL refuses root
            shutil.chown(self.folder, "nobody")
        options = "--auth=trust --username=cryutils --encoding=UTF8 --locale=C --no-sync"
        self._call("initdb", *options.split())
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._call("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", self._options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; with `mode` "immediate", as if it had been killed."""
        self._call("pg_ctl", "stop", "-w", "-m", mode)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend all processes of the server meanwhile, as on a suspended machine."""
        number = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        first = psutil.Process(int(number))
        processes = [first, *first.children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):  # one that was about to end
                    process.resume()

    def emptied(self) -> str:
        """Empty the database and return its URL."""
        url = f"postgresql://cryutils@/postgres?host={self.folder}"
        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return url

    def __exit__(self, *error: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _call(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None, "PostgreSQL is not installed"
        user: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
        subprocess.run(
            [folder / program, "-D", self.folder / "data", *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=True,
            **user,
        )


def in_sql(url: str, command: str) -> Any:
    """Run an SQL command on a store."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        result = connection.execute(sa.text(command))
        return result.all() if result.returns_rows else None
