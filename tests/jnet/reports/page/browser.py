"""A headless Chromium, controlled through the pipe of the DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)
TIMEOUT = 20  # seconds for any answer


def find_chromium():
    """Return the path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser with one tab.

    `messages` has the messages and exceptions of the page, `requests` the URLs that it requests.
    """

    def __init__(self, profile):
        self.messages, self.requests = [], []
        self._count, self._rest = 0, b""
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # Chromium reads commands from file 3 and writes answers to file 4.
        pipes = f'exec "$@" 3<&{commands} 4>&{answers}'
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", pipes, "bash", *command],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        os.set_blocking(self._from, False)
        self._session = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Send a command of the DevTools protocol and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._read(lambda answer: answer.get("id") == self._count, method)

    def _read(self, wanted, what):
        """Read messages until `wanted` accepts one and return its result; record all events."""
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            message, separator, rest = self._rest.partition(b"\0")
            if not separator:
                try:
                    self._rest += os.read(self._from, 1 << 20)
                except BlockingIOError:
                    time.sleep(0.005)
                continue
            self._rest = rest
            answer = json.loads(message)
            self._note(answer)
            if wanted(answer):
                assert "error" not in answer, f"{what}: {answer['error']}"
                return answer.get("result")
        raise TimeoutError(f"{what}: no answer from Chromium")

    def _note(self, event):
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") == "Log.entryAdded":
            self.messages.append(params["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.messages.append(params["exceptionDetails"]["text"])
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.messages.append(str(params["args"]))

    def open(self, url):
        """Open a page and wait until it has loaded."""
        self.call("Page.navigate", url=url)
        self._read(lambda event: event.get("method") == "Page.loadEventFired", url)

    def run(self, script):
        """Return the value of a JavaScript expression, after awaiting promises."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition):
        """Wait until a JavaScript expression is true and return its value."""
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            value = self.run(condition)
            if value:
                return value
            time.sleep(0.02)
        raise TimeoutError(f"never true: {condition}")

    def click(self, selector, across=0.5):
        """Click the middle of an element, or at a fraction of its width."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            f"return [b.left + b.width * {across}, b.top + b.height / 2]; }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def press(self, key, code=0):
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )

    def size(self, width, height):
        """Set the size of the window in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, path):
        """Save the visible part of the page as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self):
        """End this browser."""
        try:
            self._session = None
            self.call("Browser.close")
            self._process.wait(TIMEOUT)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            os.close(self._to)
            os.close(self._from)
