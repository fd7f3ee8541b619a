// Pictures of planar robots on a 2-D canvas, seen from the side.

import { number } from "./labels.js";

const SPHERE = 2;
const CAPSULE = 3;

/** Metres that a lane is high: room for a robot that stands upright; HalfCheetah runs low. */
export const metres = (robot) => ({ halfcheetah: 1.5 })[robot] ?? 1.9;

/** The capsules of a robot as it stands: ends in metres, radius, geom. */
export function capsules(model, data) {
  const { geom_type: type, geom_size: size } = model;
  const { geom_xpos: at, geom_xmat: turn } = data;
  const found = [];
  for (let g = 0; g < type.length; g++) {
    if (type[g] !== CAPSULE && type[g] !== SPHERE) continue;
    const half = type[g] === CAPSULE ? size[3 * g + 1] : 0;
    const [dx, dz] = [half * turn[9 * g + 2], half * turn[9 * g + 8]];
    const [x, z] = [at[3 * g], at[3 * g + 2]];
    found.push({ geom: g, x1: x - dx, z1: z - dz, x2: x + dx, z2: z + dz, radius: size[3 * g] });
  }
  return found;
}

/** A canvas that is as sharp as the screen allows, and its size in CSS pixels. */
export function sharp(canvas, height) {
  const width = Math.max(canvas.clientWidth, 1);
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { pen, width, height };
}

/** A window onto the world: a strip of the canvas, following one x. */
export class Lane {
  constructor(pen, { top, width, height, metres, x }) {
    Object.assign(this, { pen, top, width, height });
    this.scale = (height - 26) / metres;
    this.left = x - (0.4 * width) / this.scale; // the robot stands left of the middle
    this.ground = top + height - 16;
  }

  px(x) {
    return (x - this.left) * this.scale;
  }

  pz(z) {
    return this.ground - z * this.scale;
  }

  /** x in metres of a canvas pixel. */
  metre(px) {
    return this.left + px / this.scale;
  }

  /** The floor with a mark each metre. */
  floor(ink) {
    const { pen, width, ground } = this;
    pen.strokeStyle = ink;
    pen.fillStyle = ink;
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, ground);
    pen.lineTo(width, ground);
    const first = Math.ceil(this.left);
    for (let m = first; this.px(m) < width; m++) {
      pen.moveTo(this.px(m), ground);
      pen.lineTo(this.px(m), ground + 4);
    }
    pen.stroke();
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let m = first; this.px(m) < width; m++) {
      const words = `${number(m)} m`;
      const room = pen.measureText(words).width / 2; // a number that the edge would cut is left out
      if (m % 2 === 0 && this.px(m) > room && this.px(m) < width - room)
        pen.fillText(words, this.px(m), ground + 4);
    }
    pen.globalAlpha = 1;
  }

  /**
   * A robot.
   * @param limbs as capsules() gives them.
   * @param look {color, alpha, far: geoms behind, changed: geoms that a shift changes, accent,
   *   line: draw limbs as lines of this width instead}.
   */
  robot(limbs, { color, alpha = 1, far = [], changed = [], accent, line = 0 }) {
    const { pen } = this;
    pen.lineCap = "round";
    const back = limbs.filter(({ geom }) => far.includes(geom));
    const front = limbs.filter(({ geom }) => !far.includes(geom));
    for (const [part, fade] of [[back, 0.5], [front, 1]]) {
      for (const { geom, x1, z1, x2, z2, radius } of part) {
        const width = line || Math.max(2 * radius * this.scale, 1);
        pen.globalAlpha = alpha * fade;
        const stroke = (style, w) => {
          pen.strokeStyle = style;
          pen.lineWidth = w;
          pen.beginPath();
          pen.moveTo(this.px(x1), this.pz(z1));
          pen.lineTo(this.px(x2) + 0.01, this.pz(z2));
          pen.stroke();
        };
        if (changed.includes(geom)) stroke(accent, width + 4);
        stroke(color, width);
      }
    }
    pen.globalAlpha = 1;
  }

}

/** Words on a canvas, by their top. */
export function write(pen, words, x, y, { color, size = 12, align = "left", bold = false }) {
  pen.font = `${bold ? "600 " : ""}${size}px system-ui, sans-serif`;
  pen.textAlign = align;
  pen.textBaseline = "top";
  pen.fillStyle = color;
  pen.fillText(words, x, y);
}

/** A colour between two of the book's: "muted" for a low value, "value" for a high one. */
export function heat(share, colors) {
  const t = Math.min(Math.max(share, 0), 1);
  const part = (name, c) => parseInt(colors[name].slice(1 + 2 * c, 3 + 2 * c), 16);
  const mix = [0, 1, 2].map((c) => Math.round(part("muted", c) * (1 - t) + part("value", c) * t));
  return `rgb(${mix.join(" ")})`;
}
