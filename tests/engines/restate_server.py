"""A real restate-server for tests: found, started, killed, ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

__all__ = ["RestateServer", "find_restate_server", "free_port"]

_START = 60.0


def find_restate_server() -> str | None:
    """Return the path of a restate-server, or None; SETTLESIM_RESTATE_SERVER names one."""
    return os.environ.get("SETTLESIM_RESTATE_SERVER") or shutil.which("restate-server")


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class RestateServer:
    """One node, on this machine's loopback only.

    Parameters
    ----------
    folder : for its data and its log
    options : environment variables
    """

    def __init__(self, binary: str, folder: Path, **options: str) -> None:
        self.binary = binary
        self.options = options
        self.folder = folder
        self.ports = {name: free_port() for name in ("ingress", "admin", "node")}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def ingress(self) -> str:
        """Where events are accepted."""
        return f"http://127.0.0.1:{self.ports['ingress']}"

    @property
    def admin(self) -> str:
        """Where services are registered."""
        return f"http://127.0.0.1:{self.ports['admin']}"

    def start(self) -> None:
        """Start it; it is not ready yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_ADVERTISED_HOST": "127.0.0.1",
            "RESTATE_BIND_PORT": str(self.ports["node"]),
            "RESTATE_INGRESS__BIND_PORT": str(self.ports["ingress"]),
            "RESTATE_ADMIN__BIND_PORT": str(self.ports["admin"]),
            "RESTATE_NODE_NAME": "node",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "4",
            "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "256MiB",
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--base-dir", str(self.folder / "data"), "--no-logo"],
                cwd=self.folder,
                env=os.environ | options | self.options,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Return when it accepts events."""
        end = time.monotonic() + _START
        query = urllib.request.Request(
            f"{self.admin}/query",
            json.dumps({"query": "SELECT count(*) FROM state"}).encode(),
            {"content-type": "application/json", "accept": "application/json"},
        )
        for url in (f"{self.admin}/health", f"{self.ingress}/restate/health", query):
            while True:
                try:
                    with urllib.request.urlopen(url, timeout=1):
                        break
                except OSError:
                    pass
                assert self.process is not None
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                assert time.monotonic() < end, f"no answer from {self.ingress}"
                time.sleep(0.05)

    def kill(self) -> None:
        """End it, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
