import assert from "node:assert/strict";
import { test } from "node:test";
import { alongBeta, moved } from "../src/beta.js";

test("policies stand along β, those off it are left out", () => {
  const policies = { "droco-1": { alongBeta: 1 }, "droco-0.1": { alongBeta: 0.1 }, iql: { alongBeta: 0 },
    "droco-1-printed": {}, iql_target: {} };
  assert.deepEqual(alongBeta(policies), ["iql", "droco-0.1", "droco-1"]);
});

test("the slider changes its own lane and no other", () => {
  assert.deepEqual(moved(["droco-1", "iql_target"], "droco-1", "droco-0.5", 4),
    { racing: ["droco-0.5", "iql_target"], held: "droco-0.5" });
});

test("at a policy that has a lane already the slider gives its own up, and takes one again", () => {
  const first = moved(["droco-1", "iql_target", "iql"], "droco-1", "iql", 4);
  assert.deepEqual(first, { racing: ["iql_target", "iql"], held: null });
  const second = moved(first.racing, first.held, "droco-0.5", 4);
  assert.deepEqual(second, { racing: ["droco-0.5", "iql_target", "iql"], held: "droco-0.5" });
});

test("no more race than may", () => {
  const { racing } = moved(["a", "b", "c", "d"], null, "droco-1", 4);
  assert.deepEqual(racing, ["droco-1", "a", "b", "c"]);
});

test("the only racer stays when it is chosen again", () => {
  assert.deepEqual(moved(["iql"], "iql", "iql", 4), { racing: ["iql"], held: "iql" });
});
