import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decode, halfToFloat } from "../src/arrays.js";
import { backup } from "../src/mechanism.js";
import { Agent, Ensemble } from "../src/networks.js";
import { folder, largest, skip } from "./reference.mjs";

const facts = skip ? null : JSON.parse(readFileSync(`${folder}/networks.json`, "utf8"));
const given = (name) => decode(facts[name]);
const rows = ({ data, shape }) =>
  Array.from({ length: shape[0] }, (_, i) => data.subarray(i * shape[1], (i + 1) * shape[1]));

test("half precision: largest, smallest, zero, infinity", () => {
  const bits = [0x7bff, 0x0001, 0x8000, 0xfc00, 0x3c01];
  assert.deepEqual(bits.map(halfToFloat), [65504, 2 ** -24, -0, -Infinity, 1 + 1 / 1024]);
});

test("policy, V and critics are Python's to 1e-5", { skip }, () => {
  const agent = new Agent("droco", facts.policy);
  const [s, a] = [rows(given("observations")), rows(given("actions"))];
  assert.ok(largest(s.flatMap((x) => [...agent.act(x)]), given("acted").data) < 1e-5);
  assert.ok(largest(s.map((x) => agent.value(x)), given("value").data) < 1e-5);
  assert.ok(largest(s.map((x, i) => agent.critic(x, a[i])), given("critic").data) < 1e-5);
});

test("the ensemble's predictions are Python's to 1e-5", { skip }, () => {
  const ensemble = new Ensemble(facts.ensemble);
  const [s, a] = [rows(given("observations")), rows(given("actions"))];
  const { data, shape } = given("predicted");
  s.forEach((x, i) => {
    ensemble.predict(x, a[i]).forEach(({ next }, k) => {
      const at = (k * shape[1] + i) * shape[2];
      assert.ok(largest(next, data.subarray(at, at + shape[2])) < 1e-5);
    });
  });
});

test("DROCO's backup, with floor and Huber's clip, is Python's", { skip }, () => {
  const agent = new Agent("droco", facts.policy);
  const ensemble = new Ensemble(facts.ensemble);
  const [s, a, after] = ["observations", "actions", "after"].map((n) => rows(given(n)));
  let clipped = 0;
  s.forEach((x, i) => {
    const got = backup({
      reward: given("rewards").data[i],
      value: agent.value(after[i]),
      values: ensemble.predict(x, a[i]).map(({ next }) => agent.value(next)),
      q: agent.critic(x, a[i]),
      end: false,
      ...facts.settings,
    });
    assert.equal(got.worst, given("worst").data[i]);
    for (const name of ["penalty", "backed", "error"])
      assert.ok(Math.abs(got[name] - given(name).data[i]) < 1e-5, name);
    assert.ok(Math.abs(got.kept - given("kept").data[i]) < 1e-3);
    clipped += got.kept < 1;
  });
  assert.ok(clipped > 5 && clipped < 50, `δ clips ${clipped} of 50: the test sees one side only`);
});

test("both bounds hold the backup", () => {
  const row = { reward: 0, q: 0, beta: 2, delta: 50, discount: 1, end: false, floor: -1, ceiling: 3 };
  assert.equal(backup({ ...row, value: 1, values: [5, 6] }).backed, 3); // a bonus: 1 + 2 * 4
  assert.equal(backup({ ...row, value: 1, values: [-5, 6] }).backed, -1);
  assert.equal(backup({ ...row, value: 1, values: [1, 6] }).backed, 1);
  assert.equal(backup({ ...row, ceiling: undefined, value: 1, values: [5, 6] }).backed, 9);
});

test("a step that ends the episode backs nothing up", () => {
  const got = backup({ reward: 2, value: 9, values: [1, 5], q: 0, beta: 1, delta: 50, discount: 0.9,
    end: true });
  assert.equal(got.target, 2);
});
