"""A PostgreSQL server of the tests' own, in a folder and on a socket that nobody else uses."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def binaries() -> Path:
    """The folder of ``initdb`` and ``pg_ctl``, of the newest version that is installed.

    Without it the test ends here: skipped with the reason, or failed under ``REQUIRE_DATA=1``.
    """
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: float(p.parts[-3])
    )
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path is not None:
        return Path(on_path).resolve().parent
    reason = "no PostgreSQL server: apt-get install postgresql."
    if os.environ.get("REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class Server:
    """A server that listens on a Unix socket alone.

    Attributes:
        url: of its database, without a password.
    """

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        """Make a cluster in an empty folder; the server refuses to run as root."""
        self._bin = bin_folder
        self._folder = folder
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, -1)
        self._call("initdb", "-D", "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.url = f"postgresql://tester@/postgres?host={folder}"

    def _call(self, program: str, *words: str) -> None:
        user = None if self._user is None else self._user.pw_uid
        command = [str(self._bin / program), *words]
        with (self._folder / "log").open("ab") as log:
            subprocess.run(command, cwd=self._folder, stdout=log, stderr=log, check=True, user=user)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off"
        self._call("pg_ctl", "-D", "data", "-w", "-t", "60", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends connections, ``immediate`` is a crash with recovery at start."""
        self._call("pg_ctl", "-D", "data", "-w", "-t", "60", "-m", mode, "stop")


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that has started; it is stopped and its folder removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="dse-pg-"))  # short: a socket's path has 107 bytes
    try:
        folder.chmod(0o755)
        server = Server(folder, binaries())
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
