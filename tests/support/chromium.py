"""A headless Chromium, spoken to over its debugging pipe: no library, no port."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: What a page says, by the events of the protocol.
SPEAKING = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
#: It shall not look anything up outside of this machine.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Chromium:
    """One page of a browser."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._unread = b""
        self._last = 0
        #: What pages wrote to the console since `listen`, refusals of the policy included.
        self.said: list[Any] = []
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        self.call("Page.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Send a command of the DevTools protocol and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        os.write(self._write, json.dumps(message | self._session).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self._unread:
            read = os.read(self._read, 1 << 16)
            assert read, "the browser has ended"
            self._unread += read
        message, _, self._unread = self._unread.partition(b"\0")
        answer = json.loads(message)
        if answer.get("method") in SPEAKING:
            self.said.append(answer["params"])
        return answer

    def listen(self) -> None:
        """Keep from now on what pages write to the console."""
        self.call("Runtime.enable")
        self.call("Log.enable")

    def resize(self, width: int, height: int, *, mobile: bool = True) -> None:
        """Be the screen of a phone, or of a desk."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def open(self, url: str) -> None:
        """Go to a page and wait until all of it is there."""
        self.call("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """Return what JavaScript says about the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, file: Path) -> None:
        """Keep what the screen shows as a PNG file."""
        shot = self.call("Page.captureScreenshot", format="png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """Start a browser for a test; skip the test where there is none, but not in CI."""
    command = next(filter(None, map(shutil.which, NAMES)), None)
    if command is None:
        assert not os.environ.get("CI"), f"install one of {', '.join(NAMES)}"
        pytest.skip("there is no Chromium")
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    # It expects its pipe at the descriptors 3 and 4.
    shell = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    options = (*FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}")
    with subprocess.Popen(  # noqa: S603  # a browser of this machine
        ["/bin/bash", "-c", shell, "bash", command, *options],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Chromium(from_us, to_us)
        finally:
            process.kill()
            os.close(from_us)
            os.close(to_us)
