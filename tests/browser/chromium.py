"""Chromium without a window, for tests of pages: through its DevTools protocol, with a recording as its microphone.

It needs a chromium (or chrome) on the PATH, or CHROMIUM=program, and the package websockets.
"""

import base64
import contextlib
import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-extensions", "--mute-audio", "--autoplay-policy=no-user-gesture-required", "--hide-scrollbars",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
START_S = 60.0


def program():
    """The program, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, PROGRAMS)), None)


needs_chromium = pytest.mark.skipif(
    program() is None or importlib.util.find_spec("websockets") is None,
    reason="no chromium on the PATH (apt-get install chromium), or the extra web is not installed",
)


class Page:
    """One page of a browser."""

    def __init__(self, socket):
        self._socket, self._ids, self.events = socket, itertools.count(1), []

    def call(self, method, timeout_s=60.0, **params):
        """Send a command of the DevTools protocol, and give its result."""
        number, end_s = next(self._ids), time.monotonic() + timeout_s
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=max(0.01, end_s - time.monotonic())))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def run(self, script):
        """Evaluate JavaScript, promises awaited; what it throws fails the test."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in done, f"{script}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def wait(self, script, timeout_s=30.0):
        """Evaluate until it is true, and give what it is."""
        end_s = time.monotonic() + timeout_s
        while True:
            found = None
            try:
                found = self.run(script)
            except AssertionError as error:
                if "navigated" not in str(error):  # one page was left, and the next is not there yet
                    raise
            if found:
                return found
            assert time.monotonic() < end_s, f"still false after {timeout_s:g} s: {script}\n{self.problems()}"
            time.sleep(0.02)

    def open(self, address, ready="true"):
        """Load an address and wait until `ready` is true of it."""
        self.call("Page.navigate", url=address)
        self.wait(f"document.readyState === 'complete' && ({ready})")

    def problems(self):
        """What the page has complained of: errors of scripts, of the network, of the content policy."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.events.append(json.loads(self._socket.recv(timeout=0.05)))
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                entry = event["params"]["entry"]
                found.append(f"{entry['text']} {entry.get('url', '')}")
        return found

    def press(self, key, code=None, down=True, up=True):
        """Press and let go a key."""
        number = {"Enter": 13, "Tab": 9}.get(key, ord(key.upper()) if len(key) == 1 else 0)
        more = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        for kind in ["keyDown"] * down + ["keyUp"] * up:
            params = {
                "key": key,
                "code": code or {" ": "Space"}.get(key, key),
                "windowsVirtualKeyCode": number,
            }
            self.call("Input.dispatchKeyEvent", type=kind, **params, **(more if kind == "keyDown" else {}))

    def look(self, width=1100, height=900, dark=False, scale=1.0, media=""):
        """Be of that width and height, light or dark, on a screen or (`print`) on paper."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 500
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def serious_faults(self):
        """What keeps people out, as axe-core finds it: AXE_CORE names its axe.min.js, without which nothing is looked for."""
        path = os.environ.get("AXE_CORE")
        if not path:
            return []
        self.run(Path(path).read_text(encoding="utf-8"))
        return self.run(
            "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => `${v.id}: ${v.nodes.map(n => n.target).join(' ')}`))"
        )

    def keep_picture(self, name):
        """Write NAME.png of all of the page into the folder that ASRKIT_SCREENSHOTS names, where it does."""
        if os.environ.get("ASRKIT_SCREENSHOTS"):
            self.picture(Path(os.environ["ASRKIT_SCREENSHOTS"]) / f"{name}.png")

    def picture(self, path):
        """Write a PNG of all of the page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def chromium(microphone=None):
    """A page of a new browser, without profile; it ends with the block.

    Parameters
    ----------
    microphone : path, optional
        A WAV that it hears once, from when a page opens the microphone on.
    """
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = [*FLAGS, f"--user-data-dir={folder}"]
        if microphone is not None:
            flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
        process = subprocess.Popen(
            [program(), *flags, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            address = _page_address(Path(folder) / "DevToolsActivePort", process)
            with connect(address, max_size=None, open_timeout=30, compression=None) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    page.call(f"{domain}.enable")
                yield page
                with contextlib.suppress(Exception):
                    page.call("Browser.close", timeout_s=5)
        finally:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait(10)


def _page_address(file, process):
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        assert process.poll() is None, f"chromium ended with status {process.returncode}"
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list", timeout=10) as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    raise AssertionError("chromium opened no port")
