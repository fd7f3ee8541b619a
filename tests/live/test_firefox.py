"""The lab in Firefox, from the disk with the network cut off, where Firefox is at hand.

Playwright drives only a Firefox of its own, so Marionette, the protocol that every Firefox speaks,
is spoken here: messages ``LENGTH:[0, id, command, parameters]`` over a socket.
"""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import subprocess
import time

import pytest

from book.live_lab import block
from tests.live.lab_page import PAGE

FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
WAIT = 90  # seconds; a busy machine starts Firefox slowly
#: No page can reach a network through a proxy that is not there.
PREFERENCES = {
    "marionette.port": 0, "network.proxy.type": 1, "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9, "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9,
}  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(FIREFOX is None, reason="no Firefox on this machine"),
]


def until(found):
    """What ``found()`` gives, once it is true."""
    end = time.monotonic() + WAIT
    while not (value := found()):
        assert time.monotonic() < end, "Firefox did not get there"
        time.sleep(0.2)
    return value


class Marionette:
    """A connection to a Firefox that runs."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self.stream = self.socket.makefile("rb")
        self.ids = itertools.count(1)
        self.receive()
        self("WebDriver:NewSession", capabilities={})

    def receive(self):
        length = b"".join(iter(lambda: self.stream.read(1), b":"))
        return json.loads(self.stream.read(int(length)))

    def __call__(self, command: str, **parameters):
        message = json.dumps([0, next(self.ids), command, parameters]).encode()
        self.socket.sendall(b"%d:%b" % (len(message), message))
        _kind, _id, error, result = self.receive()
        assert error is None, error
        return result.get("value") if isinstance(result, dict) else result

    def run(self, script: str, *values):
        return self("WebDriver:ExecuteScript", script=script, args=list(values))


@pytest.fixture
def firefox(tmp_path):
    lines = [f'user_pref("{k}", {json.dumps(v)});' for k, v in PREFERENCES.items()]
    (tmp_path / "user.js").write_text("\n".join(lines))
    process = subprocess.Popen(
        [FIREFOX, "--headless", "--marionette", "--profile", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = tmp_path / "MarionetteActivePort"
        yield Marionette(int(until(lambda: port.is_file() and port.read_text().strip())))
    finally:
        process.kill()
        process.wait()


def test_the_robot_falls_at_the_step_where_pythons_clip_says(firefox, site):
    index = json.loads((site / "clips/walker2d.json").read_text(encoding="utf-8"))
    said = next(clip["said"] for clip in index["clips"] if clip["at"] == {
        "policy": "0", "strength": "0"})  # fmt: skip
    content = block("walker2d", static="", policies=["iql"])
    (site / "firefox.html").write_text(PAGE.format(block=content), encoding="utf-8")
    firefox("WebDriver:Navigate", url=(site / "firefox.html").as_uri())
    firefox.run("document.querySelector('.droco-lab-start').click()")
    until(lambda: firefox.run("return Boolean(document.querySelector('.droco-lab').lab)"))
    steps, total = firefox.run(
        """const { race } = document.querySelector('.droco-lab').lab;
        race.toggle(false);
        race.reset();
        while (!race.session.over) race.session.step();
        const { first } = race.session.racers[0];
        return [first.step, first.total];"""
    )
    assert f"falls after {steps} steps, return {total:,.0f} ".replace("-", "−") in said
