// A small live chart: one line a policy, over environment steps.

import { sharp } from "./draw.js";

const MARGIN = { left: 46, right: 10, top: 18, bottom: 20 };

function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9; t += step) found.push(t || 0);
  return found;
}

/** A piece of a policy's line, for a legend. */
export function lineMark(color, dash) {
  const space = "http://www.w3.org/2000/svg";
  const [picture, line] = ["svg", "path"].map((name) => document.createElementNS(space, name));
  const set = (part, attributes) =>
    Object.entries(attributes).forEach(([name, value]) => part.setAttribute(name, value));
  set(picture, { class: "droco-lab-mark", viewBox: "0 0 22 8", "aria-hidden": "true" });
  set(line, { d: "M0 4H22", stroke: color, "stroke-width": 4, "stroke-dasharray": dash.join(" ") });
  picture.append(line);
  return picture;
}

/**
 * Draw the chart.
 * @param lines [{points: [y at each step], color, dash, marks: [x of dots]}].
 */
export function chart(canvas, { lines, title, ink, height = 120, top = null }) {
  const { pen, width } = sharp(canvas, height);
  pen.clearRect(0, 0, width, height);
  const longest = Math.max(100, ...lines.map(({ points }) => points.length - 1));
  const values = lines.flatMap(({ points }) => [Math.min(...points), Math.max(...points)]);
  const low = Math.min(0, ...values);
  const high = top ?? Math.max(10, ...values);
  const x = (step) => MARGIN.left + (step / longest) * (width - MARGIN.left - MARGIN.right);
  const y = (v) =>
    height - MARGIN.bottom - ((v - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = pen.strokeStyle = ink;
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const t of ticks(low, high, 3)) {
    pen.fillText(t.toLocaleString("en"), MARGIN.left - 5, y(t));
    pen.globalAlpha = 0.2;
    pen.beginPath();
    pen.moveTo(MARGIN.left, y(t));
    pen.lineTo(width - MARGIN.right, y(t));
    pen.stroke();
    pen.globalAlpha = 1;
  }
  pen.textBaseline = "top";
  pen.textAlign = "center";
  for (const t of ticks(0, longest, width < 420 ? 3 : 6))
    pen.fillText(t.toLocaleString("en"), x(t), height - MARGIN.bottom + 5);
  pen.textAlign = "left";
  pen.fillText(title, 0, 1);
  for (const { points, color, dash = [], marks = [] } of lines) {
    pen.strokeStyle = pen.fillStyle = color;
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    const every = Math.max(1, Math.floor(points.length / 600));
    for (let i = 0; i < points.length; i += every) pen.lineTo(x(i), y(points[i]));
    pen.lineTo(x(points.length - 1), y(points.at(-1)));
    pen.stroke();
    pen.setLineDash([]);
    for (const step of marks) {
      pen.beginPath();
      pen.arc(x(step), y(points[Math.min(step, points.length - 1)]), 3, 0, 7);
      pen.fill();
    }
  }
}
