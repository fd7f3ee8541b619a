// What Python wrote for these tests; the folder stands in LAB_REFERENCE.

import { existsSync, readFileSync } from "node:fs";
import load from "@mujoco/mujoco";

export const folder = process.env.LAB_REFERENCE;
/** Robots whose files are there: a test run may ask for some of them. */
export const robots = ["walker2d", "halfcheetah", "hopper", "ant"].filter((robot) =>
  folder && existsSync(`${folder}/${robot}-reference.json`));
export const planar = robots.filter((robot) => robot !== "ant");
export const skip = folder ? false : "set LAB_REFERENCE to what tests/live/reference.py writes";

export const mj = folder ? await load() : null;

const kept = new Map();
export function loaded(robot, kind) {
  const file = `${folder}/${robot}-${kind}.json`;
  if (!kept.has(file)) kept.set(file, JSON.parse(readFileSync(file, "utf8")));
  return kept.get(file);
}

export function largest(a, b) {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const gap = Math.abs(a[i] - b[i]);
    if (!(gap <= most)) most = gap; // a NaN stays
  }
  return most;
}
