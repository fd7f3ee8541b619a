// Pictures of robots in space on a 2-D canvas: every geom as its outline, the far ones first.

const [PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX, MESH] = [0, 2, 3, 4, 5, 6, 7];
const SHOWN_GROUPS = 2; // as MuJoCo's own viewer: groups above are for collisions
const MESH_POINTS = 400;
const FACES = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]];

/** Where points of the world stand on the canvas; looking along +y at azimuth 0. */
export class Camera {
  constructor(extent) {
    Object.assign(this, { azimuth: -0.5, elevation: 0.35, zoom: 1, extent, centre: [0, 0, 0] });
  }

  /** Fit the canvas before each picture. */
  fit(width, height) {
    this.scale = (this.zoom * Math.min(width, 1.5 * height)) / (2.2 * this.extent);
    [this.width, this.height] = [width, height];
    const [c, s] = [Math.cos(this.azimuth), Math.sin(this.azimuth)];
    const [ce, se] = [Math.cos(this.elevation), Math.sin(this.elevation)];
    this.right = [c, s, 0];
    this.up = [-s * se, c * se, ce];
    this.forward = [-s * ce, c * ce, -se];
  }

  /** [x, y, depth] of a point; depth grows away from the eye. */
  see(p) {
    const d = [p[0] - this.centre[0], p[1] - this.centre[1], p[2] - this.centre[2]];
    const along = (axis) => d[0] * axis[0] + d[1] * axis[1] + d[2] * axis[2];
    return [this.width / 2 + this.scale * along(this.right),
      this.height / 2 - this.scale * along(this.up), along(this.forward)];
  }
}

/** The convex outline of points [[x, y]]. */
export function hull(points) {
  const sorted = [...points].sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const side = (list) => {
    const chain = [];
    for (const p of list) {
      while (chain.length > 1) {
        const [a, b] = chain.slice(-2);
        if ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0) break;
        chain.pop();
      }
      chain.push(p);
    }
    return chain.slice(0, -1);
  };
  return [...side(sorted), ...side(sorted.reverse())];
}

const round = Array.from({ length: 24 }, (_, i) => [Math.cos((i * Math.PI) / 12), Math.sin((i * Math.PI) / 12)]);
const ball = [-1, -0.8, -0.4, 0, 0.4, 0.8, 1].flatMap((z) =>
  round.map(([c, s]) => [c * Math.sqrt(1 - z * z), s * Math.sqrt(1 - z * z), z]));

/** Points of a geom in its own frame, whose outline is the geom's. */
function corners(model, g, type, [a, b, c]) {
  if (type === BOX)
    return [-1, 1].flatMap((x) => [-1, 1].flatMap((y) => [-1, 1].map((z) => [a * x, b * y, c * z])));
  if (type === CYLINDER) return [-b, b].flatMap((z) => round.map(([x, y]) => [a * x, a * y, z]));
  if (type === ELLIPSOID) return ball.map(([x, y, z]) => [a * x, b * y, c * z]);
  if (type === CAPSULE) return [[0, 0, -b], [0, 0, b]];
  if (type === SPHERE) return [[0, 0, 0]];
  const mesh = model.geom_dataid[g];
  const [first, count] = [model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]];
  const every = Math.max(1, Math.floor(count / MESH_POINTS));
  const { mesh_vert: vertices } = model;
  const found = [];
  for (let i = first; i < first + count; i += every)
    found.push([vertices[3 * i], vertices[3 * i + 1], vertices[3 * i + 2]]);
  return found;
}

/**
 * What can be drawn of a model, once for all pictures.
 * @param plain colour of what has no colour.
 * @param paint colour of everything, whatever the model says.
 */
export function shapes(model, plain, paint = null) {
  const found = [];
  let floor = null;
  const { geom_type: types, geom_size: sizes, geom_rgba: own, geom_matid: materials } = model;
  const groups = Array.from(model.geom_group);
  const most = groups.some((g) => g <= SHOWN_GROUPS) ? SHOWN_GROUPS : Infinity;
  for (let g = 0; g < types.length; g++) {
    const type = types[g];
    const material = materials[g];
    const rgba = Array.from(material >= 0
      ? model.mat_rgba.subarray(4 * material, 4 * material + 4) : own.subarray(4 * g, 4 * g + 4));
    if (type === PLANE) floor ??= g;
    if (![SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX, MESH].includes(type)) continue;
    if (groups[g] > most || rgba[3] === 0) continue;
    const grey = rgba.slice(0, 3).every((v) => Math.abs(v - 0.5) < 1e-3);
    const color = paint ?? (grey ? plain : `rgb(${rgba.slice(0, 3).map((v) => Math.round(255 * v)).join(" ")})`);
    const size = Array.from(sizes.subarray(3 * g, 3 * g + 3));
    found.push({ g, type, radius: size[0], color, alpha: rgba[3], points: corners(model, g, type, size) });
  }
  return { parts: found, floor };
}

/** Lines of the floor around the camera's centre. */
export function drawFloor(pen, camera, height, ink) {
  const step = 10 ** Math.round(Math.log10(camera.extent / 3));
  const [cx, cy] = camera.centre.map((v) => Math.round(v / step) * step);
  const reach = 12 * step;
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.18;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let k = -12; k <= 12; k++)
    for (const [p, q] of [
      [[cx + k * step, cy - reach, height], [cx + k * step, cy + reach, height]],
      [[cx - reach, cy + k * step, height], [cx + reach, cy + k * step, height]],
    ]) {
      pen.moveTo(...camera.see(p).slice(0, 2));
      pen.lineTo(...camera.see(q).slice(0, 2));
    }
  pen.stroke();
  pen.globalAlpha = 1;
}

function polygon(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fill();
  pen.stroke();
}

/** Draw a model as its data stand. A part may have an edge of its own. */
export function drawSolid(pen, camera, { parts, floor }, data, ink, edge) {
  const { geom_xpos: at, geom_xmat: turn } = data;
  if (floor !== null) drawFloor(pen, camera, at[3 * floor + 2], ink);
  const placed = parts.map((part) => {
    const { g } = part;
    const seen = part.points.map(([x, y, z]) => camera.see([0, 1, 2].map((r) =>
      at[3 * g + r] + turn[9 * g + 3 * r] * x + turn[9 * g + 3 * r + 1] * y + turn[9 * g + 3 * r + 2] * z)));
    return { part, seen, depth: seen.reduce((sum, p) => sum + p[2], 0) / seen.length };
  });
  placed.sort((p, q) => q.depth - p.depth);
  pen.lineJoin = pen.lineCap = "round";
  for (const { part, seen } of placed) {
    pen.globalAlpha = part.alpha;
    if (part.type === SPHERE || part.type === CAPSULE) {
      const width = Math.max(2 * part.radius * camera.scale, 1);
      const [[x1, y1], [x2, y2]] = [seen[0], seen.at(-1)];
      const rim = part.edge ? 4 : 1.5;
      for (const [style, w] of [[part.edge ?? edge, width + rim], [part.color, width]]) {
        pen.strokeStyle = style;
        pen.lineWidth = w;
        pen.beginPath();
        pen.moveTo(x1, y1);
        pen.lineTo(x2 + 0.01, y2);
        pen.stroke();
      }
      continue;
    }
    pen.strokeStyle = edge;
    pen.fillStyle = part.color;
    pen.lineWidth = 1;
    if (part.type !== BOX) {
      if (seen.length > 2) polygon(pen, hull(seen));
      continue;
    }
    for (const face of FACES) {
      const [p, q, r] = face.map((k) => seen[k]);
      if ((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]) < 0) polygon(pen, face.map((k) => seen[k]));
    }
  }
  pen.globalAlpha = 1;
}
