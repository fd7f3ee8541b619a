// The race: robots run side by side, and a reader changes what they run on.

import { BetaSlider, alongBeta } from "./beta.js";
import { chart, lineMark } from "./chart.js";
import { button, choice, fresh, make, pressed, slider } from "./dom.js";
import { sharp } from "./draw.js";
import { ROBOTS, committed, level, number, shiftName, strengthName } from "./labels.js";
import { drawLane } from "./lanes.js";
import { Session } from "./session.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]]; // two policies may share a colour
const BUDGET = 14; // milliseconds of physics in one frame
const READ_EVERY = 100; // milliseconds from one writing of the table and the chart to the next
const PUSH = 1; // m/s
export const MOST_POLICIES = 4;

export class Race {
  /**
   * @param root element that the race fills.
   * @param options {settings, running, changed(settings)}.
   */
  constructor(root, mj, facts, { settings = {}, running = true, changed = () => {} } = {}) {
    this.root = root;
    this.facts = facts;
    this.changed = changed;
    this.session = new Session(mj, facts, settings);
    this.running = running;
    this.speed = 1;
    this.debt = 0;
    this.told = 0;
    this.written = 0;
    this.frames = { count: 0, steps: 0, since: performance.now() };
    this.build();
    this.last = performance.now();
    this.visible = true;
    this.watch = new IntersectionObserver((seen) => (this.visible = seen.at(-1).isIntersecting));
    this.watch.observe(root);
    this.frame = this.frame.bind(this);
    this.draw();
    this.request = requestAnimationFrame(this.frame);
  }

  get settings() {
    return this.session.settings;
  }

  // The page's parts -------------------------------------------------------------------------

  build() {
    const { facts, settings } = this;
    const spoken = ROBOTS[facts.robot] ?? facts.robot;
    this.run = button("", () => this.toggle());
    const speed = choice({
      label: "Speed",
      options: SPEEDS.map((s) => [s, `${s} ×`]),
      value: this.speed,
      change: (v) => (this.speed = Number(v)),
    });
    this.speedChoice = speed;
    this.seed = make("input", {
      type: "number", id: fresh("seed"), min: 0, max: this.session.starts.length - 1,
      value: settings.seed, class: "droco-lab-number",
      onchange: (e) => this.apply({ seed: Math.round(Number(e.target.value)) || 0 }),
    });
    this.swarm = make("input", {
      type: "checkbox", id: fresh("swarm"),
      onchange: (e) => this.apply({ swarm: e.target.checked }),
    });
    const bar = make("div", { class: "droco-lab-bar", role: "toolbar", "aria-label": "Run the robots" },
      this.run,
      button("Step", () => this.single()),
      button("Reset", () => this.reset()),
      button("← Push", () => this.push(-PUSH, 0)),
      button("Push →", () => this.push(PUSH, 0)),
      speed.element,
      make("div", { class: "droco-lab-choice" },
        make("label", { for: this.seed.id, text: "Start" }), this.seed),
      make("label", { class: "droco-lab-check" }, this.swarm,
        `Swarm of ${this.session.starts.length}`),
    );
    this.canvas = make("canvas", {
      class: "droco-lab-view", tabindex: "0", role: "img",
      "aria-label": `${spoken} robots running. Left and right arrow push them, space runs or pauses, ` +
        "S makes one step, R starts again.",
      onkeydown: (e) => this.key(e),
      onpointerdown: (e) => this.grab(e),
      onpointermove: (e) => this.drag(e),
      onpointerup: (e) => this.release(e),
      onpointercancel: () => (this.grabbed = null),
    });
    this.rows = make("tbody");
    const head = ["policy", "return so far", "mean return, sound robot", "torso height", "state"];
    const table = make("div", { class: "droco-lab-scroll" },
      make("table", { class: "droco-lab-table" },
        make("thead", {}, make("tr", {}, ...head.map((h) => make("th", { scope: "col", text: h })))),
        this.rows));
    this.graph = make("canvas", { class: "droco-lab-chart", role: "img" });
    this.status = make("p", { class: "droco-lab-status", role: "status" });
    this.rate = make("p", { class: "droco-lab-rate" });
    // The sliders stand below the picture, so that a phone shows both.
    this.root.append(bar, this.canvas, this.status, this.robotControls(), table, this.graph,
      this.policyControls(), this.rate);
    this.showRunning();
    this.listRows();
  }

  robotControls() {
    const { facts, settings } = this;
    const options = [["", "none: the nominal robot"]];
    for (const [family, variants] of Object.entries(facts.shifts))
      if (!["gravity", "friction", "otdf-gravity"].includes(family))
        for (const variant of Object.keys(variants))
          options.push([`${family}/${variant}`, shiftName(family, variant)]);
    const chosen = () => (this.settings.family ? `${this.settings.family}/${this.settings.variant}` : "");
    this.shiftChoice = choice({
      label: "What is worn",
      options,
      value: chosen(),
      change: (value) => {
        const [family = "", variant = ""] = value.split("/");
        this.apply({ family, variant, strength: this.settings.strength || 1 / 3 });
      },
    });
    this.shiftChosen = chosen;
    const factor = (name) => (v) =>
      `× ${number((name === "up" ? 5 : 10) ** v, 2)}`;
    const scaled = (v) => (v < 0 ? factor("down")(v) : v > 0 ? factor("up")(v) : "× 1, nominal");
    const deviations = (v) => (v ? `${number(v, 2)} standard deviations` : "none");
    this.sliders = {
      strength: slider({ label: "Strength", min: 0, max: 4 / 3, step: 0.01, value: settings.strength,
        read: (v) => strengthName(v, facts.levels), change: (v) => this.apply({ strength: level(v) }) }),
      gravity: slider({ label: "Gravity", min: -1, max: 1, step: 0.01, value: settings.gravity,
        read: scaled, change: (v) => this.apply({ gravity: v }) }),
      friction: slider({ label: "Friction", min: -1, max: 1, step: 0.01, value: settings.friction,
        read: scaled, change: (v) => this.apply({ friction: v }) }),
      noise: slider({ label: "Noise on observations", min: 0, max: 0.3, step: 0.01,
        value: settings.noise, read: deviations, change: (v) => this.apply({ noise: v }) }),
      attack: slider({ label: "Min-Q attack", min: 0, max: 0.3, step: 0.01, value: settings.attack,
        read: deviations, change: (v) => this.apply({ attack: v }) }),
    };
    return make("fieldset", { class: "droco-lab-controls" },
      make("legend", { text: "The robot, and what its policy sees" }),
      this.shiftChoice.element, ...Object.values(this.sliders).map(({ element }) => element));
  }

  policyControls() {
    const boxes = Object.entries(this.facts.policies).map(([name, { label, kind }]) => {
      const input = make("input", {
        type: "checkbox", value: name, checked: this.settings.policies.includes(name),
        onchange: () => this.choosePolicies(),
      });
      return make("label", { class: "droco-lab-check" }, input,
        make("span", {}, label, make("small", { text: ` ${kind}` })));
    });
    this.beta = alongBeta(this.facts.policies).length > 1 ? new BetaSlider(this, MOST_POLICIES) : null;
    this.boxes = make("fieldset", { class: "droco-lab-policies" },
      make("legend", { text: `Policies, one to ${MOST_POLICIES}` }), this.beta?.element,
      Object.values(this.facts.policies).some(({ value }) => value) ? null
        : make("p", { class: "droco-lab-alone", text: "No offline method has been trained for this robot " +
          "here yet. These are the behaviour policies that make its data sets." }), ...boxes);
    return this.boxes;
  }

  /** A policy of the reader's own: it joins the list, and races where it is chosen. */
  addPolicy(name, facts) {
    this.session.addPolicy(name, facts);
    const former = this.boxes;
    former.replaceWith(this.policyControls());
    this.listRows();
  }

  choosePolicies() {
    const inputs = [...this.boxes.querySelectorAll("[type=checkbox]")];
    const wanted = inputs.filter((i) => i.checked).map((i) => i.value);
    if (!wanted.length || wanted.length > MOST_POLICIES) {
      this.say(`Choose one to ${MOST_POLICIES} policies.`);
      for (const input of inputs) input.checked = this.settings.policies.includes(input.value);
      return;
    }
    this.apply({ policies: wanted });
  }

  // What a reader does -----------------------------------------------------------------------

  /** Change settings, as the controls do. */
  apply(changes, tell = true) {
    const before = this.settings.policies;
    this.session.apply(changes);
    for (const [name, control] of Object.entries(this.sliders)) control.show(this.settings[name]);
    this.sliders.strength.input.disabled = !this.settings.family;
    this.shiftChoice.show(this.shiftChosen());
    this.seed.value = this.settings.seed;
    this.swarm.checked = this.settings.swarm;
    for (const input of this.boxes.querySelectorAll("[type=checkbox]"))
      input.checked = this.settings.policies.includes(input.value);
    this.beta?.show(this.settings.policies);
    if (["policies", "seed", "swarm"].some((n) => n in changes)) this.told = 0;
    if (before !== this.settings.policies) this.listRows();
    if (changes.attack) this.sayUnattacked();
    this.draw();
    if (tell) this.changed(changes);
  }

  /** Only a policy with critics can be attacked by the least of its own values. */
  sayUnattacked() {
    const without = this.session.racers.filter(({ agent }) => !agent.critics);
    if (without.length)
      this.say(`Not attacked, as they have no critic: ${without.map(({ agent }) => agent.facts.label).join("; ")}.`);
  }

  toggle(wanted = !this.running) {
    if (this.session.pending) this.session.step();
    if (wanted && this.session.over) this.reset();
    this.running = wanted;
    this.last = performance.now();
    this.debt = 0;
    this.showRunning();
  }

  showRunning() {
    const words = this.running ? "Pause" : this.session.over ? "Again" : "Run";
    if (this.run.textContent !== words) this.run.textContent = words;
  }

  single() {
    this.toggle(false);
    this.session.step();
    this.tell();
    this.draw();
  }

  reset() {
    this.session.reset();
    this.told = 0;
    this.say("");
    this.showRunning();
    this.draw();
  }

  push(vx, vz) {
    this.session.push(vx, vz);
    const size = number(Math.hypot(vx, vz), 1);
    this.say(`Pushed ${vx < 0 ? "back" : "forward"} by ${size} m/s.`);
    this.draw();
  }

  key(event) {
    const does = {
      ArrowLeft: () => this.push(-PUSH, 0), ArrowRight: () => this.push(PUSH, 0),
      " ": () => this.toggle(), s: () => this.single(), r: () => this.reset(),
    }[pressed(event)];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  }

  grab(event) {
    this.grabbed = { x: event.offsetX, y: event.offsetY, toX: event.offsetX, toY: event.offsetY };
    this.canvas.setPointerCapture(event.pointerId);
  }

  drag(event) {
    if (!this.grabbed) return;
    [this.grabbed.toX, this.grabbed.toY] = [event.offsetX, event.offsetY];
    if (!this.running) this.draw();
  }

  /** A pull of 60 pixels is 1 m/s; a tap pushes away from the finger. */
  release() {
    if (!this.grabbed) return;
    const { x, y, toX, toY } = this.grabbed;
    this.grabbed = null;
    const [dx, dy] = [toX - x, toY - y];
    if (Math.hypot(dx, dy) > 8) this.push(dx / 60, -dy / 60);
    else this.push(x < 0.4 * this.canvas.clientWidth ? PUSH : -PUSH, 0);
  }

  say(words) {
    this.status.textContent = words;
  }

  // What is shown ----------------------------------------------------------------------------

  frame(now) {
    this.request = requestAnimationFrame(this.frame);
    const elapsed = Math.min(now - this.last, 100);
    this.last = now;
    if (!this.visible) return;
    if (this.running) {
      this.debt += (elapsed / 1000 / this.facts.spec.dt) * this.speed;
      const began = performance.now();
      const late = () => performance.now() - began > BUDGET;
      while (this.debt >= 1 && (this.session.pending || !this.session.over)) {
        const { moved, whole } = this.session.advance(late);
        this.frames.steps += moved;
        if (whole) this.debt -= 1;
        if (!late()) continue;
        this.debt = Math.min(this.debt, 1); // time runs slower than asked
        break;
      }
      this.tell();
      if (this.session.over) this.toggle(false);
      // Numbers that change sixty times a second cannot be read, and cost as much as the robots.
      const due = !this.running || now - this.written > READ_EVERY;
      this.draw(due);
      if (due) this.written = now;
    }
    this.measure(now);
  }

  /** Frames and steps a second, each second. */
  measure(now) {
    this.frames.count += 1;
    const seconds = (now - this.frames.since) / 1000;
    if (seconds < 1) return;
    this.measured = { frames: this.frames.count / seconds, steps: this.frames.steps / seconds };
    const { frames, steps } = this.measured;
    this.rate.textContent = this.running
      ? `${number(frames)} frames and ${number(steps)} robot steps a second.`
      : "";
    this.frames = { count: 0, steps: 0, since: now };
  }

  /** Falls, in words. */
  tell() {
    const { events } = this.session;
    if (events.length <= this.told) return;
    const fresh = events.slice(this.told);
    this.told = events.length;
    const label = (name) => this.facts.policies[name].label;
    this.say(this.settings.swarm
      ? `${events.length} of ${this.session.racers.length * this.session.starts.length} have fallen.`
      : fresh.map(({ policy, step }) => `${label(policy)} fell at step ${step}.`).join(" "));
  }

  listRows() {
    this.rows.replaceChildren(...this.session.racers.map(({ agent }, k) => {
      const name = make("th", { scope: "row" }, lineMark(this.color(agent), DASHES[k]), agent.facts.label);
      return make("tr", {}, name, make("td"), make("td", { text: committed(agent.facts.returns) }),
        make("td"), make("td"));
    }));
  }

  color(agent) {
    return this.facts.colors[agent.facts.color];
  }

  readOut() {
    this.session.racers.forEach((racer, k) => {
      const cells = this.rows.children[k].children;
      const robots = racer.robots;
      const mean = robots.reduce((sum, r) => sum + r.total, 0) / robots.length;
      const up = robots.filter((r) => r.alive).length;
      const height = robots.reduce((sum, { data }) => sum + data.xpos[5], 0) / robots.length;
      const state = this.settings.swarm
        ? `${up} of ${robots.length} stand`
        : racer.first.alive ? `step ${racer.first.step}` : `fell at ${racer.first.step}`;
      const words = [number(mean), `${number(height, 2)} m`, state];
      [1, 3, 4].forEach((c, i) => {
        if (cells[c].textContent !== words[i]) cells[c].textContent = words[i];
      });
    });
  }

  changedGeoms() {
    const { family, variant, strength } = this.settings;
    return family && strength ? this.facts.shifts[family][variant].geoms : [];
  }

  /** @param whole whether the table and the chart are written too. */
  draw(whole = true) {
    const { racers } = this.session;
    const { facts } = this;
    const tall = racers.length > 2 ? 128 : 170;
    const { pen, width } = sharp(this.canvas, tall * racers.length);
    const ink = getComputedStyle(this.root).color;
    pen.clearRect(0, 0, width, tall * racers.length);
    const { model } = this.session.owner;
    racers.forEach((racer, k) => {
      const fell = racer.over && !racer.first.alive && !this.settings.swarm;
      const look = { color: this.color(racer.agent), changed: this.changedGeoms(),
        accent: facts.colors.deployed, ink };
      drawLane(pen, facts, model, { top: k * tall, width, height: tall }, racer.robots, look, {
        name: racer.agent.facts.label, end: fell ? `fell at step ${racer.first.step}` : "",
      });
    });
    if (this.grabbed) this.drawPull(pen, ink);
    if (!whole) return;
    this.readOut();
    this.drawGraph(ink);
  }

  drawPull(pen, ink) {
    const { x, y, toX, toY } = this.grabbed;
    pen.strokeStyle = ink;
    pen.lineWidth = 3;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(toX, toY);
    pen.stroke();
  }

  drawGraph(ink) {
    const { swarm } = this.settings;
    const lines = this.session.racers.map((racer, k) => ({
      points: swarm ? racer.standing : racer.trail,
      color: this.color(racer.agent),
      dash: DASHES[k],
      marks: racer.robots.filter((r) => !r.alive).map((r) => r.step),
    }));
    const title = swarm ? "robots that stand, over steps; a dot is a fall" : "return, over steps";
    chart(this.graph, { lines, title, ink, top: swarm ? this.session.starts.length : null });
    const said = `${title}: ` + this.session.racers.map((racer, k) =>
      `${racer.agent.facts.label} ${number(lines[k].points.at(-1))}`).join(", ");
    if (!this.running) this.graph.setAttribute("aria-label", said);
  }

  dispose() {
    cancelAnimationFrame(this.request);
    this.watch.disconnect();
    this.session.dispose();
    this.root.replaceChildren();
  }
}
