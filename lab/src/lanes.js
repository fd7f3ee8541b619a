// One racer's strip of the picture: planar robots seen from the side, others in space.

import { Lane, capsules, metres, write } from "./draw.js";
import { number } from "./labels.js";
import { Camera, drawFloor, drawSolid, shapes } from "./solid.js";

const REACH = 1.1; // metres around a robot in space

/** Planar robots, from the side. */
class SideLane {
  constructor(pen, facts, box, [x]) {
    this.lane = new Lane(pen, { ...box, metres: metres(facts.robot), x });
    this.far = facts.far;
  }

  floor(ink) {
    this.lane.floor(ink);
  }

  /** @param look {color, alpha, changed, accent}. */
  robot(model, data, look) {
    this.lane.robot(capsules(model, data), { ...look, far: this.far });
  }
}

/** Robots that move in space, from above and behind. */
class SpaceLane {
  constructor(pen, _facts, { top, width, height }, [x, y]) {
    Object.assign(this, { pen, top });
    this.camera = new Camera(REACH);
    this.camera.centre = [x, y, 0.45];
    this.camera.fit(width, height);
    this.forward = x;
    this.bottom = top + height;
  }

  inside(draw) {
    this.pen.save();
    this.pen.translate(0, this.top);
    draw();
    this.pen.restore();
  }

  floor(ink) {
    this.inside(() => drawFloor(this.pen, this.camera, 0, ink));
    write(this.pen, `${number(this.forward, 1)} m forward`, 4, this.bottom - 16, { color: ink, size: 10 });
  }

  robot(model, data, { color, alpha = 1, changed = [], accent }) {
    const { parts } = shapes(model, color, color);
    for (const part of parts) {
      part.alpha *= alpha;
      if (changed.includes(part.g)) part.edge = accent;
    }
    this.inside(() => drawSolid(this.pen, this.camera, { parts, floor: null }, data, color, this.edge));
  }
}

/** Where the torsos of those that stand are in the mean, of all where none does: a swarm spreads. */
function middle(robots) {
  const standing = robots.filter(({ alive }) => alive);
  const seen = standing.length ? standing : robots;
  return [3, 4].map((i) => seen.reduce((sum, { data }) => sum + data.xpos[i], 0) / seen.length);
}

/**
 * Draw one racer's lane.
 * @param box {top, width, height} in CSS pixels.
 * @param robots the racer's, all under one model.
 * @param look {color, changed: geoms that a shift changes, accent, ink}.
 * @param words {name, end}: at its left and right.
 */
export function drawLane(pen, facts, model, box, robots, look, words) {
  const { top, width, height } = box;
  const lane = new (facts.planar ? SideLane : SpaceLane)(pen, facts, box, middle(robots));
  lane.edge = look.ink;
  pen.save();
  pen.beginPath();
  pen.rect(0, top, width, height);
  pen.clip();
  lane.floor(look.ink);
  const alpha = robots.length > 1 ? 0.25 : 1;
  for (const { data, alive } of robots)
    lane.robot(model, data, { ...look, alpha: alive ? alpha : 0.5 * alpha });
  write(pen, words.name, 4, top + 4, { color: look.ink, bold: true });
  if (words.end) write(pen, words.end, width - 6, top + 4, { color: look.ink, align: "right" });
  pen.restore();
}
