"""A headless Chromium and its pages, driven over the DevTools protocol with aiohttp.

Knows nothing of the page under test; brings no library and no browser of its own.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

__all__ = ["NAMES", "Page", "launched", "opened"]

#: Commands that are a Chromium, in the order of preference.
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # the sandbox does not start as root, as CI often is; the pages are our own
    "--disable-dev-shm-usage",  # containers give /dev/shm 64 MB
    "--disable-gpu",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)

_KEYS: Final = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, "")}
_SHIFT: Final = 8


@contextmanager
def launched(command: str, profile: Path) -> Iterator[str]:
    """A browser for as long as the block lasts; its DevTools address, `ws://…`."""
    port_file = profile / "DevToolsActivePort"
    process = subprocess.Popen(
        [command, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60  # a first start on a busy machine takes its time
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < end, f"{command} does not start"
            time.sleep(0.02)
        port, path = port_file.read_text().split("\n")[:2]
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        process.terminate()
        process.wait(30)
        # Its helpers write a little longer.
        shutil.rmtree(profile, ignore_errors=True)


@asynccontextmanager
async def opened(
    address: str, *, width: int = 1280, height: int = 800, dark: bool = False, touch: bool = False
) -> AsyncIterator[Page]:
    """The browser's tab, on a screen of this size; for one test at a time."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, max_msg_size=0) as ws,
    ):
        page = Page(ws)
        reader = asyncio.create_task(page._read())
        try:
            # The browser's one tab: a fresh one has a process to start, which takes longer than
            # most tests.
            targets = (await page.send("Target.getTargets"))["targetInfos"]
            (tab,) = [target["targetId"] for target in targets if target["type"] == "page"]
            attached = await page.send("Target.attachToTarget", targetId=tab, flatten=True)
            page._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                await page.send(f"{domain}.enable")
            await page.send(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=touch,
            )
            await page.send("Emulation.setTouchEmulationEnabled", enabled=touch)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            await page.send("Emulation.setEmulatedMedia", features=[scheme])
            await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
            yield page
            await page.send("Page.navigate", url="about:blank")  # lets go of its connections
        finally:
            reader.cancel()


class Page:
    """One tab.

    requests: the URL of every request that the page made, in order.
    complaints: uncaught errors, `console.error`, violations of the page's policy: all that the
        console shows in red but the statuses of responses.
    """

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._ws = ws
        self._session: str | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def send(self, method: str, **params: Any) -> Any:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._ws.send_json(message | ({"sessionId": self._session} if self._session else {}))
        async with asyncio.timeout(30):
            return await answer

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState == 'complete'")

    async def js(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON carries it; a promise is awaited."""
        told = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, expression: str, timeout: float = 10.0) -> None:
        """Returns once the expression is true; AssertionError after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not await self.js(f"Boolean({expression})"):
            if time.monotonic() > end:
                shown = await self.js("document.body.innerText")
                raise AssertionError(f"never true: {expression}\nthe page: {shown}")
            await asyncio.sleep(0.01)

    async def text(self, selector: str) -> str:
        """What an element shows; "" where it is not there or not shown."""
        shown = "(element => element?.checkVisibility() ? element.innerText : '')"
        return str(await self.js(f"{shown}(document.querySelector({json.dumps(selector)}))"))

    async def click(self, selector: str) -> None:
        """With the mouse, so that an element that is hidden or covered takes no click."""
        box = await self.js(
            f"""(async element => {{
                element.scrollIntoView({{block: "center"}});
                // The page hears of its scrolling a frame later, and may move things.
                for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
                const {{x, y, width, height}} = element.getBoundingClientRect();
                return {{x: x + width / 2, y: y + height / 2, shown: width * height > 0}};
            }})(document.querySelector({json.dumps(selector)}))"""
        )
        assert box.pop("shown"), f"{selector} is not shown"
        for kind in ("mousePressed", "mouseReleased"):
            await self.send(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box
            )

    async def type(self, text: str) -> None:
        """As one insertion where the focus is."""
        await self.send("Input.insertText", text=text)

    async def press(self, key: str, *, shift: bool = False) -> None:
        code, text = _KEYS[key]
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        event["modifiers"] = _SHIFT if shift else 0
        await self.send("Input.dispatchKeyEvent", type="keyDown", **event, text=text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    async def screenshot(self) -> bytes:
        """A PNG of what is in view."""
        shot = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])

    async def _read(self) -> None:
        async for message in self._ws:
            told = message.json()
            if "id" in told:
                self._answered(told)
            else:
                self._happened(told["method"], told["params"])

    def _answered(self, told: dict[str, Any]) -> None:
        answer = self._waiting.pop(told["id"])
        if answer.done():
            return
        if "error" in told:
            answer.set_exception(AssertionError(told["error"]["message"]))
        else:
            answer.set_result(told["result"])

    def _happened(self, event: str, params: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(params["args"]))
            case "Log.entryAdded" if (entry := params["entry"])["source"] != "network":
                self.complaints.append(entry["text"])
