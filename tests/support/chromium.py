"""A headless Chromium on a pipe: opens pages, clicks, and records every request that it makes."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from taxi_cluster.debian import need

Message = dict[str, Any]

_PATIENCE: Final = 60.0
_OPTIONS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip


class Page:
    """One tab with the frames below it."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.command("Page.enable")
        self.command("Runtime.enable")
        self.command("Network.enable")
        self.command("Log.enable")
        self.command(
            "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True
        )

    def command(self, method: str, **parameters: object) -> Message:
        """Send a command of the DevTools protocol and return its result."""
        return self._browser.command(method, self._session, **parameters)

    def emulate(self, *, media: str = "", colours: str = "light", script: bool = True) -> None:
        """Choose the medium (`print`), the colours (`dark`), and whether scripts run."""
        self.command(
            "Emulation.setEmulatedMedia",
            media=media, features=[{"name": "prefers-color-scheme", "value": colours}],
        )  # fmt: skip
        self.command("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, url: str, width: int = 1240, height: int = 900) -> None:
        """Open a page and wait until it is loaded."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self._browser.events.clear()
        self.command("Page.navigate", url=url)
        self._browser.wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression gives; promises are awaited."""
        found = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_until(self, expression: str, patience: float = _PATIENCE) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + patience
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"not true in {patience} s: {expression}"
            time.sleep(0.1)

    def text(self) -> str:
        """Return the text of the page as people see it."""
        return str(self.evaluate("document.body.innerText"))

    def frames(self) -> list["Page"]:
        """Return the pages in the frames that have a process of their own."""
        return [Page(self._browser, session) for session in self._browser.frames]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was opened, but for data."""
        addresses = [
            event["params"]["request"]["url"]
            for event in self._browser.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [one for one in addresses if not one.startswith(("data:", "blob:", "about:"))]

    def complaints(self) -> list[str]:
        """Return what the browser logged: refused by the policy, not found, failed scripts."""
        found = []
        for event in self._browser.events:
            if event["method"] == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
        return found

    def screenshot(self, path: Path, most: int = 12_000, element: str = "") -> None:
        """Write the page, or one element by its id, as a picture of at most so many pixels."""
        place = {"x": 0, "y": 0, **self.command("Page.getLayoutMetrics")["cssContentSize"]}
        if element:
            place = self.evaluate(
                f"(({{x, y, width, height}}) => ({{x, y: y + scrollY, width, height}}))"
                f"(document.getElementById('{element}').getBoundingClientRect())"
            )
        clip = {**place, "height": min(place["height"], most), "scale": 1}
        found = self.command(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip
        )
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self, path: Path) -> None:
        """Print to A4."""
        found = self.command("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(found["data"]))


class Browser:
    """One process; speaks the DevTools protocol on its file descriptors 3 and 4."""

    def __init__(self, profile: Path) -> None:
        need("chromium", "chromium", "fonts-dejavu-core")
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        program = shutil.which("chromium")
        assert program
        with (profile / "log").open("ab") as log:
            # The shell gives the pipes the numbers that the browser wants.
            self._process = subprocess.Popen(
                ["/bin/bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", program,
                 f"--user-data-dir={profile}", *_OPTIONS],
                pass_fds=(commands, answers), stdout=log, stderr=log,
            )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self._buffer = b""
        self._number = 0
        self.events: list[Message] = []
        self.frames: list[str] = []

    def new_page(self) -> Page:
        """Return an empty tab."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)
        return Page(self, session["sessionId"])

    def command(self, method: str, session: str | None = None, **parameters: object) -> Message:
        """Send a command and return its result."""
        number = self._send(method, session, parameters)
        deadline = time.monotonic() + _PATIENCE
        while True:
            message = self._receive(deadline)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: Message = message["result"]
                return result

    def wait_for(self, event: str) -> None:
        """Wait for an event that may have come already."""
        deadline = time.monotonic() + _PATIENCE
        while not any(one["method"] == event for one in self.events):
            self._receive(deadline)

    def close(self) -> None:
        """End it by its pid."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def _send(self, method: str, session: str | None, parameters: Message) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        return self._number

    def _receive(self, deadline: float) -> Message:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select(
                [self._answers], [], [], max(deadline - time.monotonic(), 0)
            )
            assert ready, "chromium: no answer in time"
            part = os.read(self._answers, 1 << 20)
            assert part, "chromium: it ended"
            self._buffer += part
        data, _, self._buffer = self._buffer.partition(b"\0")
        message: Message = json.loads(data)
        if "method" in message:
            self.events.append(message)
            self._follow(message)
        return message

    def _follow(self, event: Message) -> None:
        """Record the requests of a frame in another process from its beginning on."""
        if event["method"] == "Target.attachedToTarget":
            session = event["params"]["sessionId"]
            if event["params"]["targetInfo"]["type"] == "iframe":
                self.frames.append(session)
                for method in ("Network.enable", "Runtime.enable", "Log.enable"):
                    self._send(method, session, {})
            self._send("Runtime.runIfWaitingForDebugger", session, {})
        if event["method"] == "Target.detachedFromTarget":
            session = event["params"]["sessionId"]
            self.frames = [one for one in self.frames if one != session]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(Path(folder))
        try:
            yield browser
        finally:
            browser.close()
