import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../src/arrays.js";
import { FAMILIES, PARTS } from "../src/labels.js";
import { Robot, RobotModel, read } from "../src/physics.js";
import { largest, loaded, mj, planar, robots, skip } from "./reference.mjs";

// This MuJoCo is a few versions behind Python's and lacks these; no physics of our robots reads them.
const LACKING = ["jnt_springyield"];

for (const robot of robots) {
  test(`${robot}: every shift and strength gives Python's model`, { skip }, () => {
    const owner = new RobotModel(mj, loaded(robot, "facts"));
    assert.deepEqual(owner.missing, LACKING);
    for (const { shifts, fields } of loaded(robot, "reference").fields) {
      owner.shift(shifts);
      for (const [name, array] of Object.entries(fields)) {
        if (owner.missing.includes(name)) continue;
        const held = read(owner.model, name);
        assert.equal(largest(held, decode(array).data), 0, `${JSON.stringify(shifts)} ${name}`);
      }
    }
    owner.shift([]);
    for (const [name, values] of Object.entries(owner.nominal))
      if (!owner.missing.includes(name)) assert.equal(largest(read(owner.model, name), values), 0);
    owner.dispose();
  });
}

for (const robot of robots) {
  test(`${robot}: every shift has a name in words`, { skip }, () => {
    for (const [family, variants] of Object.entries(loaded(robot, "facts").shifts)) {
      assert.ok(family in FAMILIES, family);
      for (const variant of Object.keys(variants)) assert.ok(variant in PARTS, variant);
    }
  });
}

const row = ({ data, shape }, i) => data.subarray(i * shape[1], (i + 1) * shape[1]);

function opened(robot, path) {
  const owner = new RobotModel(mj, loaded(robot, "facts"));
  owner.shift(path.shifts);
  const arrays = {};
  for (const [name, value] of Object.entries(path)) if (value.dtype) arrays[name] = decode(value);
  return { owner, body: new Robot(owner), ...arrays };
}

for (const robot of planar) {
  for (const k of [0, 1, 2, 3]) {
    test(`${robot}: path ${k} of 300 steps is Python's`, { skip }, (t) => {
      const path = loaded(robot, "reference").paths[k];
      const { owner, body, qpos, qvel, actions, observations, rewards, fallen, twin } =
        opened(robot, path);
      body.reset(row(qpos, 0), row(qvel, 0));
      let [state, reward, steps] = [0, 0, 0];
      for (; steps < actions.shape[0]; steps++) {
        // HalfCheetah is chaotic: Python's own twin, started 1e-14 rad off, ends elsewhere too.
        if (twin.data[steps] > 1e-6) break;
        const got = body.act(Array.from(row(actions, steps)));
        state = Math.max(state, largest(body.observation, row(observations, steps + 1)));
        reward = Math.max(reward, Math.abs(got - rewards.data[steps]));
        assert.equal(body.alive, !fallen.data[steps], `step ${steps}`);
        // Of a folded Hopper two capsules lie parallel, and which of their ends touch hangs on the
        // last digit; an episode is over by then.
        if (robot === "hopper" && fallen.data[steps]) break;
      }
      const figures = [state, reward].map((x) => x.toExponential(1));
      t.diagnostic(`${path.shift}: ${steps} steps, state ${figures[0]}, reward ${figures[1]}`);
      assert.ok(steps >= { walker2d: 300, hopper: 100, halfcheetah: 20 }[robot], `only ${steps} steps`);
      assert.ok(state < 1e-4, `states differ by ${state}`);
      assert.ok(reward < 1e-4, `rewards differ by ${reward}`);
      body.dispose();
      owner.dispose();
    });
  }
}

// One step from each of Python's states: whole paths of a chaotic robot part in any two simulators.
for (const [robot, median, most] of [["halfcheetah", 1e-12, 1e-8], ["ant", 1e-4, 1e-2]]) {
  if (!robots.includes(robot)) continue;
  test(`${robot}: one step from 300 states is Python's`, { skip }, (t) => {
    for (const path of loaded(robot, "reference").paths) {
      const { owner, body, qpos, qvel, actions } = opened(robot, path);
      const gaps = [];
      for (let i = 0; i < actions.shape[0]; i++) {
        body.reset(row(qpos, i), row(qvel, i));
        body.act(Array.from(row(actions, i)));
        gaps.push(largest(body.data.qpos, row(qpos, i + 1)));
      }
      gaps.sort((a, b) => a - b);
      const figures = [gaps[150], gaps.at(-1)].map((x) => x.toExponential(1));
      t.diagnostic(`${path.shift}: median ${figures[0]}, worst ${figures[1]}`);
      assert.ok(gaps[150] < median, `median ${figures[0]}`);
      assert.ok(gaps.at(-1) < most, `worst ${figures[1]}`);
      body.dispose();
      owner.dispose();
    }
  });
}
