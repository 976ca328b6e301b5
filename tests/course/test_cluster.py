"""Notebooks on a Dask cluster: the same results, also after a kill.

The cluster is a real one of two worker processes on this machine.
"""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest
from clock import until
from course_of_two import WAIT, jobs, notebook, results, tiny
from refusals import Command

from cryutils._io import parallel
from cryutils.course import runner
from cryutils.errors import InputError

BEGUN = """\
import os
from pathlib import Path
Path(os.environ["GATE"]).with_name("begun").touch()
"""

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@pytest.fixture
def cluster(project: Path) -> Iterator[Any]:
    """A scheduler and two workers of one thread, with the environment of `project`."""
    # A slow machine needs more than 15 s to restart a worker.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "10m"})
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with patience, distributed.LocalCluster(**settings, silence_logs=50) as running:
        yield running


@pytest.fixture
def waiting(project: Path, apart: Path) -> Iterator[Callable[[Callable[[], None]], None]]:
    """`waiting(act)` calls `act` in a thread once 01_first has begun to wait for the gate."""
    notebook("01_first", *tiny("01_first", BEGUN, WAIT))
    with ThreadPoolExecutor(1) as thread:

        def when_begun(act: Callable[[], None]) -> None:
            until((apart / "begun").exists, 600)
            act()

        yield lambda act: thread.submit(when_begun, act)


def test_a_run_compares_its_workers_and_a_killed_one_costs_only_time(
    cluster: Any, waiting: Any, apart: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker from which this machine differs is named."""
    version = metadata.version
    for module, name, other, words in (
        (
            runner.paths,
            "writable",
            lambda path: not path.name.startswith(".part-"),
            "quick is writable there",
        ),
        (runner, "digests", lambda _: {}, "cryutils' files"),
        (metadata, "version", lambda name: "0" if name == "numpy" else version(name), "and 0 here"),
    ):
        with monkeypatch.context() as patch, pytest.raises(InputError) as error:
            patch.setattr(module, name, other)
            runner.run(jobs(), scheduler=cluster.scheduler_address)
        line = str(error.value)
        assert line.startswith("worker tcp://") and words in line and "\n" not in line

    def kill() -> None:
        for each in cluster.workers.values():
            for process in (*(worker := psutil.Process(each.pid)).children(recursive=True), worker):
                process.kill()
        (apart / "gate").touch()

    waiting(kill)
    code, _, err = command("run", "--scheduler", cluster.scheduler_address)
    assert code == 0, err
    assert results(apart / "outputs" / "quick") == {"made.01_first": 0.3, "made.02_second": 0.3}


@pytest.fixture
def lonely(project: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler's address and its only worker, which nothing starts again."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--no-dashboard"]
    settings: dict[str, Any] = {"n_workers": 0, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**settings) as running:
        address = running.scheduler_address
        with subprocess.Popen([*command, address], stderr=subprocess.DEVNULL) as worker:
            until(lambda: running.scheduler.workers)
            yield address, worker
            worker.kill()


def test_without_a_worker_a_run_says_so_waits_as_long_as_asked_and_can_be_stopped(
    lonely: Any, waiting: Any, hears_interrupts: None, capfd: pytest.CaptureFixture[str]
) -> None:
    address, worker = lonely
    impatient, stopped = parallel.Cluster(address, patience_s=0.1), []
    parallel.connect.cache_clear()

    def lose_the_worker_and_stop() -> None:
        worker.kill()
        until(lambda: "no worker left; waiting up to 300 s" in capfd.readouterr().err, 10)
        stopped.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    waiting(lose_the_worker_and_stop)
    with pytest.raises(KeyboardInterrupt):
        runner.run(jobs(), scheduler=address, patience_s=300)
    assert time.monotonic() - stopped[0] < 5
    with pytest.raises(InputError, match=r"no worker for 0 s; start `dask worker"):
        until(lambda: impatient.watch() is None, 10)
    impatient.close()


def test_what_is_no_scheduler_is_one_line_within_ten_seconds() -> None:
    """Nothing that listens, a program that never answers, and a web server."""

    def asked(port: int) -> str:
        with pytest.raises(InputError) as error:
            parallel.connect(f"tcp://127.0.0.1:{port}")
        return str(error.value)

    web = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=web.serve_forever).start()
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as threads:
        lines = list(threads.map(asked, (1, silent.getsockname()[1], web.server_port)))
    assert time.monotonic() - began < 10
    web.shutdown()
    web.server_close()
    assert all("no Dask scheduler answers; start one with" in line for line in lines)
    assert "\n" not in "".join(lines)
