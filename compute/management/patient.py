"""The server of runserver, which answers what waits before it stops."""

import signal
import time
from types import FrameType

from daphne.server import Server
from twisted.internet import reactor

from compute.engine import waiting

#: What requests have for their answers once the server is told to stop.
STOP_SECONDS = 1.0


class PatientServer(Server):  # type: ignore[misc]  # daphne is not typed
    """Daphne, which when it is told to stop lets requests have their answers.

    It cancels what runs; by itself it would do so at once.
    """

    def run(self) -> None:
        if self.signal_handlers:  # else the reloader has them, and the main thread
            reactor.callWhenRunning(self._take_signals)
        super().run()

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop_soon)

    def _stop_soon(self, number: int, frame: FrameType | None) -> None:
        # Told a second time it stops as it is.
        signal.signal(number, signal.SIG_DFL)
        waiting.end_all()
        reactor.callFromThread(self._stop_when_idle, time.monotonic() + STOP_SECONDS)

    def _stop_when_idle(self, give_up: float) -> None:
        if self._is_idle() or time.monotonic() > give_up:
            # The last of what was answered is written in the reactor's next turn.
            reactor.callLater(0.05, self.stop)  # type: ignore[arg-type]  # stubs see a class, it is an object
        else:
            reactor.callLater(0.05, self._stop_when_idle, give_up)  # type: ignore[arg-type]  # as above

    def _is_idle(self) -> bool:
        running = (c.get("application_instance") for c in self.connections.values())
        return all(request is None or request.done() for request in running)
