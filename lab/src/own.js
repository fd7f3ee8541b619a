// The reader's own robot: chosen or dropped, compiled by MuJoCo in the page, run and pushed.

import { button, choice, fresh, make, pressed, slider } from "./dom.js";
import { sharp } from "./draw.js";
import { number } from "./labels.js";
import { compile } from "./model_file.js";
import { Camera, drawSolid, shapes } from "./solid.js";

const HEIGHT = 340;
const BUDGET = 14; // milliseconds of physics in one frame
const PUSH_SECONDS = 0.05;
const ON_JOINT = [0, 1]; // MuJoCo's mjtTrn: motors that turn a joint
const TYPES = ["free", "ball", "slide", "hinge"];
const ARROWS = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 0, 1], ArrowDown: [0, 0, -1] };

/** A name in a model, or "" where the file gives none. */
function nameAt(model, at) {
  const bytes = Uint8Array.from(model.names.subarray(at, model.names.indexOf(0, at)));
  return new TextDecoder().decode(bytes);
}

export class OwnRobot {
  /**
   * @param root element that the view fills.
   * @param options {example: {name, xml}, color, edge, running}.
   */
  constructor(root, mj, { example = null, color = "#5b8db8", running = true } = {}) {
    Object.assign(this, { root, mj, example, color, autorun: running, running: false, model: null });
    this.build();
    this.watch = new IntersectionObserver((seen) => (this.visible = seen.at(-1).isIntersecting));
    this.watch.observe(root);
    this.visible = true;
    this.frame = this.frame.bind(this);
    this.request = requestAnimationFrame(this.frame);
    if (example) this.open([{ name: example.name, bytes: new TextEncoder().encode(example.xml) }]);
  }

  build() {
    this.input = make("input", {
      type: "file", id: fresh("file"), multiple: true,
      onchange: () => this.take(this.input.files),
    });
    const drop = make("div", {
      class: "droco-lab-drop",
      ondragover: (e) => e.preventDefault(),
      ondrop: (e) => {
        e.preventDefault();
        this.take(e.dataTransfer.files);
      },
    }, make("label", { for: this.input.id, text: "Your MuJoCo XML file, with its meshes if it has any: " }),
      this.input, make("span", { text: "Or drop them here. They stay on this computer." }));
    this.run = button("Run", () => this.toggle());
    this.body = choice({ label: "Push the body", options: [], value: "", change: () => {} });
    const bar = make("div", { class: "droco-lab-bar", role: "toolbar", "aria-label": "Run your robot" },
      this.run, button("Step", () => this.single()), button("Reset", () => this.reset()),
      button("← Push", () => this.push([-1, 0, 0])), button("Push →", () => this.push([1, 0, 0])),
      button("Lift", () => this.push([0, 0, 2])), this.body.element);
    this.canvas = make("canvas", {
      class: "droco-lab-view", tabindex: "0", role: "img", "aria-label": "No robot yet",
      onkeydown: (e) => this.key(e),
      onpointerdown: (e) => {
        this.grabbed = [e.offsetX, e.offsetY];
        this.canvas.setPointerCapture(e.pointerId);
      },
      onpointermove: (e) => this.turn(e),
      onpointerup: () => (this.grabbed = null),
      onpointercancel: () => (this.grabbed = null),
    });
    this.status = make("p", { class: "droco-lab-status", role: "status" });
    this.motors = make("fieldset", { class: "droco-lab-controls droco-lab-motors", hidden: true });
    this.rows = make("tbody");
    this.table = make("div", { class: "droco-lab-scroll", hidden: true },
      make("table", { class: "droco-lab-table" },
        make("thead", {}, make("tr", {}, ...["joint", "kind", "range", "now"].map((h) =>
          make("th", { scope: "col", text: h })))), this.rows));
    this.root.append(drop, this.status, bar, this.canvas, this.table, this.motors);
    this.draw();
  }

  // Files --------------------------------------------------------------------------------------

  async take(list) {
    if (!list.length) return;
    try {
      const files = await Promise.all([...list].map(async (file) =>
        ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
      this.open(files);
    } catch (error) {
      this.say(`The files could not be read: ${error.message}`);
    }
  }

  /** Show a robot; what was shown before stays where the new one cannot be used. */
  open(files) {
    let compiled;
    try {
      compiled = compile(this.mj, files);
      const data = new this.mj.MjData(compiled.model);
      this.close();
      Object.assign(this, compiled, { data });
    } catch (error) {
      this.say(error.message);
      return;
    }
    const { model } = this;
    const names = (addresses, word) => Array.from(addresses, (at, k) => nameAt(model, at) || `${word} ${k}`);
    this.joints = names(model.name_jntadr, "joint");
    this.shown = shapes(model, this.color);
    const bodies = names(model.name_bodyadr, "body").map((name, k) => [k, name]).slice(1);
    const moving = Array.from(model.body_dofnum).findIndex((n) => n > 0);
    this.trunk = Math.max(moving, Math.min(1, model.nbody - 1));
    this.body.fill(bodies, this.trunk);
    this.buildMotors();
    this.buildJoints();
    this.camera = new Camera(1);
    this.reset();
    this.camera.extent = this.extent();
    this.draw();
    const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
    this.say(`${this.name}: ${counted(model.nbody - 1, "body").replace("bodys", "bodies")}, ` +
      `${counted(model.njnt, "joint")}, ${counted(model.nu, "motor")}.` +
      (model.njnt ? "" : " Without joints nothing in it can move."));
    this.canvas.setAttribute("aria-label", `The robot of ${this.name}. Left and right arrow push it, ` +
      "up lifts it, space runs or pauses, S makes one step, R starts again, A and D turn the view, " +
      "plus and minus change its size.");
    this.toggle(this.autorun && model.njnt > 0);
  }

  /** Metres from the robot's centre to its furthest part. */
  extent() {
    const { data, model } = this;
    const centre = data.subtree_com.subarray(3 * this.trunk, 3 * this.trunk + 3);
    const far = this.shown.parts.filter(({ g }) => model.geom_bodyid[g] > 0).map(({ g }) =>
      Math.hypot(...[0, 1, 2].map((i) => data.geom_xpos[3 * g + i] - centre[i])) + model.geom_rbound[g]);
    return Math.min(Math.max(...far, 0.01), 1000);
  }

  buildMotors() {
    const { model } = this;
    const names = Array.from(model.name_actuatoradr, (at, k) => nameAt(model, at) ||
      (ON_JOINT.includes(model.actuator_trntype[k]) && this.joints[model.actuator_trnid[2 * k]]) ||
      `motor ${k}`);
    const range = Array.from(model.actuator_ctrlrange);
    this.motors.hidden = !names.length;
    this.motors.replaceChildren(make("legend", { text: "Motors: control signal and its range" }), ...names.map((label, k) => {
      const [min, max] = range[2 * k] < range[2 * k + 1] ? range.slice(2 * k, 2 * k + 2) : [-1, 1];
      return slider({ label, min, max, step: (max - min) / 100, value: Math.min(Math.max(0, min), max),
        read: (v) => `${number(v, 2)} (${number(min, 2)} to ${number(max, 2)})`,
        change: (v) => (this.data.ctrl[k] = v) }).element;
    }));
  }

  buildJoints() {
    const { jnt_type: types, jnt_range: range } = this.model;
    this.table.hidden = !this.joints.length;
    this.rows.replaceChildren(...this.joints.map((name, k) => {
      const [low, high] = [range[2 * k], range[2 * k + 1]];
      const limits = low < high ? `${this.measure(k, low)} to ${this.measure(k, high)}` : "none";
      return make("tr", {}, make("th", { scope: "row", text: name }),
        make("td", { text: TYPES[types[k]] }), make("td", { text: limits }), make("td"));
    }));
  }

  /** A joint's position in the reader's units. */
  measure(k, value) {
    return TYPES[this.model.jnt_type[k]] === "hinge"
      ? `${number((180 / Math.PI) * value)}°` : `${number(value, 2)} m`;
  }

  // What a reader does -------------------------------------------------------------------------

  toggle(wanted = !this.running) {
    if (!this.model) this.say("Choose a MuJoCo XML file first.");
    this.running = wanted && Boolean(this.model);
    this.last = performance.now();
    this.debt = 0;
    this.run.textContent = this.running ? "Pause" : "Run";
  }

  single() {
    if (!this.model) return;
    this.toggle(false);
    this.step();
    this.draw();
  }

  reset() {
    const { mj, model, data } = this;
    if (!model) return;
    const ctrl = Array.from(data.ctrl);
    if (model.nkey) mj.mj_resetDataKeyframe(model, data, 0);
    else mj.mj_resetData(model, data);
    data.ctrl.set(ctrl);
    mj.mj_forward(model, data);
    this.pushed = 0;
    this.draw();
  }

  /** Change the whole robot's momentum by its mass times a velocity, at the chosen body. */
  push([x, y, z]) {
    const { model, data } = this;
    if (!model) return;
    const body = Number(this.body.select.value) || 1;
    const force = model.body_subtreemass[body] / PUSH_SECONDS;
    data.xfrc_applied.set([force * x, force * y, force * z], 6 * body);
    this.pushed = data.time + PUSH_SECONDS;
    this.say(`Pushed ${this.body.select.selectedOptions[0]?.text ?? "it"}.`);
    if (!this.running) this.draw();
  }

  key(event) {
    const does = {
      " ": () => this.toggle(), s: () => this.single(), r: () => this.reset(),
      a: () => (this.camera.azimuth -= 0.2), d: () => (this.camera.azimuth += 0.2),
      "+": () => (this.camera.zoom *= 1.2), "-": () => (this.camera.zoom /= 1.2),
    }[pressed(event)] ?? (ARROWS[event.key] && (() => this.push(ARROWS[event.key])));
    if (!does || !this.model || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
    this.draw();
  }

  turn(event) {
    if (!this.grabbed || !this.model) return;
    const [x, y] = this.grabbed;
    this.grabbed = [event.offsetX, event.offsetY];
    this.camera.azimuth -= (event.offsetX - x) / 120;
    this.camera.elevation = Math.min(Math.max(this.camera.elevation + (event.offsetY - y) / 150, -0.2), 1.5);
    this.draw();
  }

  say(words) {
    this.status.textContent = words;
  }

  // Time and picture ---------------------------------------------------------------------------

  /** One physics step; a simulation that fails is stopped with a sentence. */
  step() {
    const { mj, model, data } = this;
    const before = data.time;
    try {
      mj.mj_step(model, data);
    } catch (error) {
      this.toggle(false);
      this.say(`MuJoCo stopped: ${error.message}`);
      return;
    }
    if (this.pushed && data.time >= this.pushed) {
      data.xfrc_applied.fill(0);
      this.pushed = 0;
    }
    // MuJoCo begins again by itself, at time 0, where numbers have grown out of bounds.
    if (data.time < before + 0.5 * model.opt.timestep || !data.qpos.every(Number.isFinite)) {
      this.toggle(false);
      this.say("The simulation became unstable and was stopped. A smaller timestep in the file may help.");
    }
  }

  frame(now) {
    this.request = requestAnimationFrame(this.frame);
    const elapsed = Math.min(now - this.last, 100);
    this.last = now;
    if (!this.visible || !this.running) return;
    this.debt += elapsed / 1000 / this.model.opt.timestep;
    const began = performance.now();
    while (this.debt >= 1 && this.running) {
      this.step();
      this.debt -= 1;
      if (performance.now() - began > BUDGET) this.debt = Math.min(this.debt, 1);
    }
    this.draw();
  }

  draw() {
    const { pen, width } = sharp(this.canvas, HEIGHT);
    pen.clearRect(0, 0, width, HEIGHT);
    if (!this.model) return;
    const { data, camera, model, trunk } = this;
    camera.centre = Array.from(data.subtree_com.subarray(3 * trunk, 3 * trunk + 3));
    camera.fit(width, HEIGHT);
    const ink = getComputedStyle(this.root).color;
    drawSolid(pen, camera, this.shown, data, ink, ink);
    const { jnt_qposadr: at, jnt_type: types } = model;
    this.joints.forEach((_, k) => {
      const type = TYPES[types[k]];
      const position = Array.from(data.qpos.subarray(at[k], at[k] + 3), (v) => number(v, 2));
      const words = type === "free" ? `${position.join(", ")} m`
        : type === "ball" ? "–" : this.measure(k, data.qpos[at[k]]);
      const cell = this.rows.children[k].lastChild;
      if (cell.textContent !== words) cell.textContent = words;
    });
  }

  close() {
    this.running = false;
    this.data?.delete();
    this.model?.delete();
    this.data = this.model = null;
  }

  dispose() {
    cancelAnimationFrame(this.request);
    this.watch.disconnect();
    this.close();
    this.root.replaceChildren();
  }
}
