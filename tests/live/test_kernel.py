"""The lab in a live Jupyter kernel: its messages, and the page's half talking to that kernel."""

from __future__ import annotations

import base64
import json
import os
import time
from queue import Empty

import pytest

from droco_lite.live import widget
from tests.live.lab_page import ROOT, in_chromium

MEDIUM = "behaviour-target-medium"
START = """
from pathlib import Path
import droco_lite
from droco_lite.live import widget
widget.script_path = lambda: Path({script!r})
lab = droco_lite.live("walker2d", policies=["behaviour-target-medium"])
lab
"""


class Kernel:
    """A kernel in which one lab lives, and its comm."""

    def __init__(self, script):
        from jupyter_client.manager import start_new_kernel

        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        self.manager, self.client = start_new_kernel(env=environment, cwd=str(ROOT))
        said = self.execute(START.format(script=str(script)))
        # ipywidgets 7, as on Colab, displays; 8 returns.
        (shown,) = [m for m in said if m["msg_type"] in ("execute_result", "display_data")]
        view = shown["content"]["data"]["application/vnd.jupyter.widget-view+json"]
        self.id = view["model_id"]
        (opened,) = [
            m for m in said
            if m["msg_type"] == "comm_open" and m["content"]["comm_id"] == self.id
        ]  # fmt: skip
        self.state = opened["content"]["data"]["state"]

    def execute(self, code: str) -> list[dict]:
        """Run code; everything that the kernel published meanwhile."""
        return self.until_idle(self.client.execute(code))

    def send(self, data: dict) -> list[dict]:
        """A message of the page to the lab's comm; everything that the kernel answers."""
        content = {"comm_id": self.id, "data": data}
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)
        return self.until_idle(message["header"]["msg_id"])

    def until_idle(self, request: str) -> list[dict]:
        found, end = [], time.monotonic() + 120
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=5)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            assert message["msg_type"] != "error", message["content"].get("traceback")
            found.append(message)
            if message["content"].get("execution_state") == "idle":
                return found
        raise TimeoutError("the kernel did not answer")

    def ask(self, what: str) -> bytes:
        """What the page asks for, as the kernel sends it."""
        said = self.send({"method": "custom", "content": {"ask": what}})
        (answer,) = [m for m in said if m["msg_type"] == "comm_msg"]
        assert answer["content"]["data"]["content"] == {"answer": what}
        return bytes(answer["buffers"][0])

    def printed(self, code: str) -> str:
        said = self.execute(f"print({code})")
        return "".join(m["content"]["text"] for m in said if m["msg_type"] == "stream").strip()

    def updates(self, said: list[dict]) -> dict:
        """Traits that the kernel tells the page of."""
        data = [m["content"]["data"] for m in said if m["msg_type"] == "comm_msg"]
        return {k: v for d in data if d["method"] == "update" for k, v in d["state"].items()}


@pytest.fixture(scope="module")
def kernel(site):
    made = Kernel(site / "lab.js")
    yield made
    made.client.stop_channels()
    made.manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_the_kernel_sends_script_and_robot_once_asked(kernel, site):
    assert kernel.ask("script") == (site / "lab.js").read_bytes()
    robot = json.loads(kernel.ask("robot"))
    assert robot["robot"] == "walker2d"
    assert MEDIUM in robot["policies"]
    assert len(json.dumps(kernel.state)) < 20_000  # megabytes do not go into a notebook


@pytest.mark.slow
def test_traits_go_both_ways(kernel):
    kernel.send({"method": "update", "state": {"friction": -0.5}, "buffer_paths": []})
    assert kernel.printed("lab.friction") == "-0.5"
    assert kernel.updates(kernel.execute("lab.gravity = 0.25")) == {"gravity": 0.25}


PAGE_MODEL = """
const traits = TRAITS, listeners = {};
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const fire = (event, ...rest) => [...(listeners[event] ?? [])].forEach((f) => f(...rest));
let waiting = {};
globalThis.model = {
  changed: {},
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = waiting[name] = value; },
  save_changes: () => { kernelUpdate(JSON.stringify(waiting)); waiting = {}; },
  changedAttributes() { return this.changed; },
  on: (event, f) => (listeners[event] ??= []).push(f),
  off: (event, f) => { listeners[event] = (listeners[event] ?? []).filter((g) => g !== f); },
  send: async ({ ask }) => fire("msg:custom", { answer: ask }, [bytes(await kernelAsk(ask))]),
  moved(name, value) {
    traits[name] = value;
    this.changed = { [name]: value };
    fire("change");
    fire(`change:${name}`);
  },
};
"""


@pytest.mark.browser
@in_chromium[1]
def test_the_page_and_a_live_kernel_hold_one_lab(kernel, browser):
    source = (widget._HERE / "widget.js").read_text(encoding="utf-8")
    start = source.replace("export default { render };", "render({ model, el: document.body });")
    traits = {n: v for n, v in kernel.state.items() if not n.startswith("_") and n != "layout"}
    page = browser.new_page()
    page.expose_function("kernelAsk", lambda w: base64.b64encode(kernel.ask(w)).decode())
    page.expose_function(
        "kernelUpdate",
        lambda text: len(kernel.send({"method": "update", "state": json.loads(text)})),
    )
    page.set_content("<html><body></body></html>")
    page.evaluate(PAGE_MODEL.replace("TRAITS", json.dumps(traits)))
    page.add_script_tag(content=start, type="module")
    page.wait_for_function("document.body.lab", timeout=60_000)
    page.evaluate("globalThis.lab = document.body.lab; lab.race.toggle(false)")
    # A slider of the page moves the kernel's trait,
    page.get_by_label("Gravity").press("End")
    page.wait_for_timeout(500)
    assert kernel.printed("lab.gravity") == "1.0"
    # the kernel's trait moves the robot of the page,
    for name, value in kernel.updates(kernel.execute("lab.gravity = -0.5")).items():
        page.evaluate("([name, value]) => model.moved(name, value)", [name, value])
    assert page.evaluate("lab.race.session.owner.model.opt.gravity[2]") > -9.81 / 2
    # and what the reader has trained races.
    trained = (
        "from droco_lite.agents import IQL, IQLSettings\n"
        "lab.policies = {'mine': IQL([IQLSettings()], 17, 6)}"
    )
    for name, value in kernel.updates(kernel.execute(trained)).items():
        page.evaluate("([name, value]) => model.moved(name, value)", [name, value])
    page.wait_for_function("lab.race.settings.policies.join() === 'mine'")
    page.get_by_role("row", name="mine").wait_for()
    page.evaluate("for (let i = 0; i < 5; i++) lab.race.single()")
    assert page.evaluate("lab.race.session.racers[0].first.step") == 5
    page.close()
