"""What the live lab asks of a reader's computer: frames and steps a second, and memory.

    python benchmarks/live_lab.py                 # about two minutes, then the memory
    python benchmarks/live_lab.py --no-memory
    python benchmarks/live_lab.py --minutes 3     # memory over three minutes' frames, not ten

Chromium opens the lab's own scripts (from ``make book``) from the disk and draws without a GPU. The
rates are those of ten seconds of each scene in real time. Memory is that of ten minutes' worth of
frames at 30 a second, 18,000, which are drawn one after another as fast as they come, while
policies, strength, swarm and start change each minute: JavaScript's heap after a collection,
MuJoCo's own memory, and the elements of the page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright
from quiet import quiet

from droco_lite.files import write_json
from droco_lite.provenance import provenance

ROOT = Path(__file__).resolve().parent.parent
VENDOR, RESULTS = ROOT / "book/vendor", ROOT / "results/benchmarks"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", "--js-flags=--expose-gc",
]  # fmt: skip
FULL = ["droco-1", "iql_target", "behaviour-target-expert", "behaviour-target-medium"]
BEHAVIOUR = ["behaviour-target-expert", "behaviour-target-medium", "behaviour-source-medium"]
#: Scene -> robot, settings of the race, and how fast time runs.
SCENES: dict[str, tuple[str, dict[str, Any], float]] = {
    "race of four": ("walker2d", {"policies": FULL}, 1),
    "race of four, 10 x": ("walker2d", {"policies": FULL}, 10),
    "race of four, attacked": (
        "walker2d", {"policies": [*FULL[:2], "droco-0.5", "iql"], "attack": 0.1}, 1,
    ),
    "swarm of 30": ("walker2d", {"policies": FULL[2:3], "swarm": True}, 1),
    "two swarms of 30": ("walker2d", {"policies": FULL[2:], "swarm": True}, 1),
    "HalfCheetah, race of three": ("halfcheetah", {"policies": BEHAVIOUR}, 1),
    "Ant, race of three": ("ant", {"policies": BEHAVIOUR}, 1),
}  # fmt: skip
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>lab</title>
<style>body {{ font: 16px system-ui, sans-serif; margin: 1rem auto; max-width: 50rem }}</style>
<div id="stage"></div><script src="lab.js"></script>{scripts}</html>"""
MOUNT = """async ([robot, settings, speed]) => {
  globalThis.lab?.dispose();
  globalThis.lab = await DrocoLab.mount(document.getElementById("stage"), drocoLabRobots[robot],
    { settings });
  lab.race.speed = speed;
  lab.race.toggle(true);
}"""
RATES = """async (seconds) => {
  const { race } = lab;
  let [frames, steps, worst, last] = [0, 0, 0, performance.now()];
  const advance = race.session.advance.bind(race.session);
  race.session.advance = (enough) => {
    const part = advance(enough);
    steps += part.moved;
    return part;
  };
  const began = last;
  while (last - began < 1000 * seconds) {
    const now = await new Promise(requestAnimationFrame);
    frames += 1;
    worst = Math.max(worst, now - last);
    last = now;
    if (race.session.over) race.toggle(true);
  }
  delete race.session.advance;
  const elapsed = (last - began) / 1000;
  return { "frames a second": frames / elapsed, "longest frame, ms": worst,
    "robot steps a second": steps / elapsed };
}"""
# One minute of frames, 30 to a second of the lab's own time, drawn without waiting for the clock.
MINUTE = """async (minute) => {
  const frames = 1800;
  const { race } = lab;
  cancelAnimationFrame(race.request);
  const names = Object.keys(race.facts.policies);
  race.apply({ policies: [0, 1, 2, 3].map((k) => names[(minute + k) % names.length]),
    family: "kinematic", variant: "footjnt", strength: (minute % 5) / 4, seed: minute,
    swarm: minute % 5 === 4 });
  race.toggle(true);
  let now = performance.now();
  for (let i = 0; i < (race.settings.swarm ? frames / 10 : frames); i++) {
    race.last = now;
    race.frame((now += 1000 / 30));
    cancelAnimationFrame(race.request);
    if (i % 600 === 300) race.push(1, 0);
    if (race.session.over) race.toggle(true);
    if (i % 20 === 0) await new Promise((done) => setTimeout(done));
  }
  await new Promise((done) => setTimeout(done, 200));
  gc();
  const { buffer } = race.session.racers[0].first.data.qpos;
  return { heap: performance.memory.usedJSHeapSize / 2**20, mujoco: buffer.byteLength / 2**20,
    elements: document.querySelectorAll("*").length };
}"""


def rates(page: Page, seconds: float) -> dict[str, dict[str, float]]:
    """Frames and robot steps a second of every scene."""
    found = {}
    for name, (robot, settings, speed) in SCENES.items():
        page.evaluate(MOUNT, [robot, settings, speed])
        page.evaluate(RATES, 1)  # what is compiled at first is not counted
        numbers = page.evaluate(RATES, seconds)
        found[name] = {key: round(value, 1) for key, value in numbers.items()}
        print(name, found[name], flush=True)
    return found


def memory(page: Page, minutes: int, limit: float) -> dict[str, Any]:
    """Memory after each minute's frames, in MiB, and how much it grew from the third on.

    No further minute begins after ``limit`` seconds.
    """
    page.evaluate(MOUNT, ["walker2d", {"policies": FULL}, 1])
    rows, began = [], time.perf_counter()
    while len(rows) < minutes and time.perf_counter() - began < limit:
        rows.append(page.evaluate(MINUTE, len(rows)))
        print(len(rows), rows[-1], round(time.perf_counter() - began), flush=True)
    minutes = len(rows)
    heap = [round(row["heap"], 2) for row in rows]
    slope = np.polyfit(range(2, minutes), heap[2:], 1)[0]
    return {
        "minutes of frames": minutes,
        "heap, MiB": heap,
        "heap's growth from the third to the last, MiB": round(heap[-1] - heap[2], 2),
        "heap's slope, MiB a minute": round(float(slope), 3),
        "MuJoCo, MiB": [round(row["mujoco"], 1) for row in rows],
        "elements": [row["elements"] for row in rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--limit", type=float, default=600, help="seconds for the memory")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--no-rates", action="store_true")
    asked = parser.parse_args()
    if CHROMIUM is None or not (VENDOR / "lab.js").is_file():
        parser.error("this needs Chromium, and the lab's scripts, which make book builds")
    path, began = RESULTS / "live_lab.json", time.perf_counter()
    found: dict[str, Any] = {}
    robots = sorted({robot for robot, _, _ in SCENES.values()})
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in ("lab", *(f"lab-{robot}" for robot in robots)):
            shutil.copy(VENDOR / f"{name}.js", folder)
        scripts = "".join(f'<script src="lab-{robot}.js"></script>' for robot in robots)
        (Path(folder) / "index.html").write_text(PAGE.format(scripts=scripts), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(600_000)
        page.goto((Path(folder) / "index.html").as_uri())
        if not asked.no_rates:
            found["rates"] = rates(page, asked.seconds)
        if not asked.no_memory:
            found["memory"] = memory(page, asked.minutes, asked.limit)
            print(found["memory"])
        version = browser.version
        browser.close()
    record = provenance(
        wall_time_seconds=round(time.perf_counter() - began, 1), chromium=version,
        load_average=round(os.getloadavg()[0], 2),
        **quiet(),
    )  # fmt: skip
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, kept | {k: {**v, "provenance": record} for k, v in found.items()})


if __name__ == "__main__":
    main()
