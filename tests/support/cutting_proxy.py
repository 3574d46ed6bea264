"""A TCP proxy that cuts connections where it is told to: in the middle of an answer."""

import socket
import threading
from collections import deque
from contextlib import suppress
from typing import Self


class CuttingProxy:
    """Hands on what arrives at ``port``; of a server that is away it closes at once."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._lock = threading.Lock()
        #: Bytes of answers until each next cut.
        self._until: deque[int] = deque()
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def cut_after(self, size: int) -> None:
        """Cut a connection after so many bytes of answers, once earlier cuts are made."""
        with self._lock:
            self._until.append(size)

    def _accept(self) -> None:
        with suppress(OSError), self._listener:
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.socket() as far:
            far.connect(("127.0.0.1", self._server))
            back = threading.Thread(target=self._answer, args=(far, near), daemon=True)
            back.start()
            with suppress(OSError):
                while data := near.recv(65536):
                    far.sendall(data)
            _shut(far)
            back.join()

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                passed = self._passed(len(data))
                near.sendall(data[:passed])
                if passed < len(data):
                    _shut(far)
                    break
        _shut(near)

    def _passed(self, size: int) -> int:
        """Return how much of a piece gets through: all of it, or what is before a cut."""
        with self._lock:
            if not self._until:
                return size
            if self._until[0] >= size:
                self._until[0] -= size
                return size
            self.cuts += 1
            return self._until.popleft()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
