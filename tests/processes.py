"""The end of a process that a test has started."""

import subprocess


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it still runs after 20 s."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
