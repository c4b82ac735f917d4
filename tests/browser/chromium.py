"""A headless Chromium over its DevTools protocol: open, wait for a text, click it, take a picture.

Only the packages that Dagster's pages bring are used. Nothing waits for a time: a page is asked
until it shows what it should, or the test fails with what it shows instead.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

WIDTH, HEIGHT = 1440, 900
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # an error page would load itself again in the middle of what it is asked
    "--disable-auto-reload",
    "--hide-scrollbars",
    f"--window-size={WIDTH},{HEIGHT}",
    "--remote-debugging-port=0",
)
PATIENCE_SECONDS = 150
_WAIT_FOR = """
new Promise((done, fail) => {
  const found = () => { FIND };
  const until = Date.now() + PATIENCE;
  const look = () => {
    const it = found();
    if (it) done(true);
    else if (Date.now() > until) done(false);
    else setTimeout(look, 100);
  };
  look();
})
"""
_A_SECOND = "new Promise(done => setTimeout(done, 1000))"
_SETTLED = """
const seen = document.body.innerHTML.length + ' ' + document.querySelectorAll('*').length;
const before = window.seenBefore || {};
if (before.seen !== seen) { window.seenBefore = {seen, at: Date.now()}; return false; }
return Date.now() - before.at > 2000;
"""
_VISIBLE = """
const visible = [...document.querySelectorAll('body *')].filter(each =>
  each.children.length === 0 && each.getClientRects().length > 0
  && !['SCRIPT', 'STYLE'].includes(each.tagName));
const found = visible.filter(each => (each.textContent || '').trim() === TEXT).pop();
const one = found && (found.closest('button, a') || found);
"""


def find_chromium() -> str | None:
    """The program, where one is installed."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.errors: list[str] = []
        """Exceptions of the page, and requests that went to another machine."""

    def open(self, url: str) -> None:
        """Go to an address."""
        self._call("Page.navigate", url=url)

    def open_when_served(self, url: str) -> None:
        """The same for a server that is starting: the browser's error page is left again."""
        for _ in range(PATIENCE_SECONDS):
            refused = self._call("Page.navigate", url=url).get("errorText")
            if refused is None:
                return
            self.ask(_A_SECOND)
        raise AssertionError(f"{url} never answered: {refused}")

    def size(self, width: int, height: int) -> None:
        """Of what is seen, in pixels."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def settle(self) -> None:
        """Until the page has looked the same for two seconds."""
        self._until(_SETTLED, "nothing that moves")

    def wait_for(self, *texts: str) -> None:
        """Until one of these is somewhere on the page."""
        shown = "document.body && document.body.innerText"
        condition = f"const s = {shown}; return s && {json.dumps(texts)}.some(t => s.includes(t));"
        self._until(condition, " or ".join(texts))

    def wait_until_gone(self, text: str) -> None:
        """Until it is nowhere on the page."""
        shown = "document.body && document.body.innerText"
        self._until(
            f"const s = {shown}; return s && !s.includes({json.dumps(text)});", f"no {text}"
        )

    def click(self, text: str) -> None:
        """The last visible thing with exactly this text, once it can be clicked."""
        visible = _VISIBLE.replace("TEXT", json.dumps(text))
        self._until(visible + "return one && !one.disabled;", text)
        self.ask(f"(() => {{ {visible} one.click(); }})()")

    def text(self) -> str:
        """All that the page shows."""
        return str(self.ask("document.body.innerText"))

    def picture(self, file: Path, clip: tuple[int, int, int, int] | None = None) -> None:
        """What is on the screen, or a part of it: left, top, width, height."""
        area = {}
        if clip is not None:
            names = ("x", "y", "width", "height")
            area = {"clip": {**dict(zip(names, clip, strict=True)), "scale": 1}}
        taken = self._call("Page.captureScreenshot", format="png", **area)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def ask(self, script: str) -> Any:
        """What a script on the page answers."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _until(self, find: str, what: str) -> None:
        script = _WAIT_FOR.replace("FIND", find).replace("PATIENCE", str(PATIENCE_SECONDS * 1000))
        assert self.ask(script), f"The page never showed: {what}. It shows: {self.text()[:2000]}"

    def _call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_SECONDS + 30))
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(event["params"]["exceptionDetails"].get("text")))
        if event.get("method") == "Network.requestWillBeSent":
            url = str(event["params"]["request"]["url"])
            if not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
                self.errors.append(f"asks {url}")


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Page]:
    """A browser with an empty profile, and its only tab."""
    running = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert running.stderr is not None
        said = []
        for line in running.stderr:
            said.append(line)
            if line.startswith("DevTools listening on "):
                address = line.split()[-1]
                break
        else:
            raise AssertionError(f"Chromium did not start: {said}")
        with connect(_first_tab(address), max_size=None, ping_interval=None) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Network"):
                page._call(f"{domain}.enable")
            yield page
    finally:
        running.terminate()
        running.communicate(timeout=30)


def _first_tab(browser: str) -> str:
    """The address of the tab, by that of the browser."""
    with connect(browser) as socket:
        socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        found = json.loads(socket.recv(timeout=30))["result"]["targetInfos"]
    (tab,) = [each["targetId"] for each in found if each["type"] == "page"]
    return f"{browser.partition('/devtools/')[0]}/devtools/page/{tab}"
