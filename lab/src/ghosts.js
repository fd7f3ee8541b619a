// The mechanism, seen: where N models think that a step leads, and what DROCO makes of it.

import { button, choice, make, slider } from "./dom.js";
import { Lane, capsules, heat, metres, sharp, write } from "./draw.js";
import { number } from "./labels.js";
import { Mechanism } from "./mechanism.js";
import { Agent } from "./networks.js";
import { Robot } from "./physics.js";

const HEIGHT = 300;
const BAR = 84;

export class Ghosts {
  /**
   * @param root element that the view fills.
   * @param race the race beside it, whose state can be looked at; null where there is none.
   */
  constructor(root, mj, facts, race = null) {
    Object.assign(this, { root, facts, race, mj });
    this.mechanism = new Mechanism(mj, facts);
    this.artist = new Robot(this.mechanism.truth[1].owner); // only its pose is used
    this.agents = this.valued();
    const robust = this.agents.filter((name) => facts.policies[name].beta);
    this.chosen = robust.find((name) => facts.policies[name].beta === 0.5) ?? robust[0] ?? this.agents[0];
    const { beta = 0.5, delta = 30 } = facts.policies[this.chosen];
    Object.assign(this, { beta, delta, floored: true, magnify: 5, step: 20, where: "recorded", loaded: {} });
    this.build();
    this.show();
  }

  /** Names of the policies that have a value function. */
  valued() {
    return Object.keys(this.facts.policies).filter((name) => this.facts.policies[name].value);
  }

  named() {
    return this.agents.map((name) => [name, this.facts.policies[name].label]);
  }

  /** A policy of the reader's own, already among the facts: a new one, or a newer one of its name. */
  addPolicy(name) {
    delete this.loaded[name];
    this.agents = this.valued();
    this.policy.fill(this.named(), this.chosen);
    if (name === this.chosen) this.show();
  }

  build() {
    const places = [["recorded", "a recorded episode of the source"]];
    if (this.race) places.push(["race", "the race above, as it stands"]);
    this.place = choice({
      label: "State and action from", options: places, value: this.where,
      change: (v) => {
        this.where = v;
        if (v === "race") this.race.toggle(false);
        this.show();
      },
    });
    const policy = (this.policy = choice({
      label: "Values of",
      options: this.named(),
      value: this.chosen,
      change: (v) => {
        this.chosen = v;
        this.show();
      },
    }));
    const change = (name) => (v) => {
      this[name] = v;
      this.show();
    };
    this.sliders = {
      step: slider({ label: "Step of the episode", min: 0, max: this.mechanism.length - 1, step: 1,
        value: this.step, read: (v) => `${v}`, change: (v) => {
          this.where = "recorded";
          this.place.show("recorded");
          change("step")(v);
        } }),
      beta: slider({ label: "β", min: 0, max: 1, step: 0.05, value: this.beta,
        read: (v) => number(v, 2), change: change("beta") }),
      delta: slider({ label: "Huber's δ", min: 1, max: 100, step: 1, value: this.delta,
        read: (v) => number(v), change: change("delta") }),
      magnify: slider({ label: "Movement drawn larger by", min: 1, max: 30, step: 1,
        value: this.magnify, read: (v) => `× ${v}`, change: change("magnify") }),
    };
    this.floor = make("input", { type: "checkbox", checked: true, onchange: (e) =>
      change("floored")(e.target.checked) });
    this.floorWords = make("span");
    this.canvas = make("canvas", { class: "droco-lab-view", role: "img" });
    this.words = make("p", { class: "droco-lab-words", role: "status" });
    this.bar = make("canvas", { class: "droco-lab-chart", role: "img" });
    this.numbers = make("dl", { class: "droco-lab-numbers" });
    const move = (by) => {
      const to = Math.min(Math.max(this.step + by, 0), this.mechanism.length - 1);
      this.sliders.step.show(to);
      this.sliders.step.input.dispatchEvent(new Event("input"));
    };
    this.root.append(
      make("div", { class: "droco-lab-bar", role: "toolbar", "aria-label": "Step through the episode" },
        button("Step back", () => move(-1)), button("Step on", () => move(1)),
        this.place.element, policy.element),
      this.canvas, this.words, this.bar, this.numbers,
      make("fieldset", { class: "droco-lab-controls" },
        make("legend", { text: "The backup" }),
        ...Object.values(this.sliders).map(({ element }) => element),
        make("label", { class: "droco-lab-check" }, this.floor, this.floorWords)),
    );
  }

  /** The state and action that are looked at. */
  moment() {
    if (this.where === "race" && this.race) {
      const racer = this.race.session.racers[0];
      const { qpos, qvel } = racer.first.data;
      return { qpos: Array.from(qpos), qvel: Array.from(qvel),
        action: Array.from(racer.agent.act(racer.first.observation)) };
    }
    return this.mechanism.transition(this.step);
  }

  show() {
    const { floor } = this.facts.policies[this.chosen];
    this.floor.disabled = floor === undefined;
    this.floor.checked = this.floored && floor !== undefined;
    this.floorWords.textContent = floor === undefined
      ? "Floor: this policy was trained without one"
      : `Floor: back up no value below ${number(floor, 1)}, the least that the target's rewards allow`;
    this.loaded[this.chosen] ??= new Agent(this.chosen, this.facts.policies[this.chosen]);
    this.seen = this.mechanism.look(this.moment(), this.loaded[this.chosen], this);
    this.redraw();
    this.explain();
  }

  redraw() {
    this.draw();
    this.drawBar();
  }

  /** Limbs of a pose whose movement from the present is drawn larger. */
  limbs(qpos) {
    const now = this.seen.qpos;
    const shown = Float64Array.from(qpos, (q, i) => now[i] + this.magnify * (q - now[i]));
    const { data, owner } = this.artist;
    data.qpos.set(shown);
    this.mj.mj_kinematics(owner.model, data);
    return capsules(owner.model, data);
  }

  draw() {
    const { facts, seen } = this;
    const { pen, width } = sharp(this.canvas, HEIGHT);
    const ink = getComputedStyle(this.root).color;
    pen.clearRect(0, 0, width, HEIGHT);
    const values = seen.predicted.map(({ value }) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    this.share = (v) => (v - low) / (high - low || 1);
    const top = this.legend(pen, width, ink);
    const lane = new Lane(pen, { top, width, height: HEIGHT - top, metres: metres(facts.robot),
      x: seen.qpos[0] });
    lane.floor(ink);
    lane.robot(this.limbs(seen.qpos), { color: ink, alpha: 0.12, far: facts.far });
    seen.predicted.forEach(({ qpos, value }, k) => {
      const limbs = this.limbs(qpos);
      if (k === seen.worst)
        lane.robot(limbs, { color: facts.colors.worst, far: [], line: 9, alpha: 0.9 });
      lane.robot(limbs, { color: heat(this.share(value), facts.colors), far: [], line: k === seen.worst ? 5 : 3 });
    });
    for (const name of ["source", "target"])
      lane.robot(this.limbs(seen.truth[name].qpos), { color: facts.colors[name], line: 2, alpha: 1 });
  }

  /** What each colour is; returns where it ends. */
  legend(pen, width, ink) {
    const { facts, seen } = this;
    const entries = [
      ["the state", ink, 0.3], ["true next state, source robot", facts.colors.source, 1],
      ["true next state, target robot", facts.colors.target, 1],
      [`${seen.predicted.length} models: low V`, heat(0, facts.colors), 1], ["high V", heat(1, facts.colors), 1],
      ["the worst", facts.colors.worst, 1],
    ];
    let [x, y] = [6, 6];
    pen.font = "12px system-ui, sans-serif";
    for (const [words, color, alpha] of entries) {
      const room = pen.measureText(words).width + 34;
      if (x + room > width) [x, y] = [6, y + 17];
      pen.globalAlpha = alpha;
      pen.fillStyle = color;
      pen.fillRect(x, y + 4, 14, 5);
      pen.globalAlpha = 1;
      write(pen, words, x + 19, y, { color: ink });
      x += room;
    }
    return y + 17;
  }

  /** Values on one axis: V(s'), the models', what is backed up. */
  drawBar() {
    const { seen, facts } = this;
    const { pen, width } = sharp(this.bar, BAR);
    const ink = getComputedStyle(this.root).color;
    pen.clearRect(0, 0, width, BAR);
    const values = seen.predicted.map(({ value }) => value);
    const marks = [seen.truth.source.value, seen.truth.target.value, seen.backed];
    const all = [...values, ...marks, 0];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const px = (v) => 16 + ((v - low) / (high - low || 1)) * (width - 32);
    const y = 44;
    pen.strokeStyle = pen.fillStyle = ink;
    pen.globalAlpha = 0.5;
    pen.beginPath();
    pen.moveTo(10, y);
    pen.lineTo(width - 10, y);
    pen.moveTo(px(0), y - 5);
    pen.lineTo(px(0), y + 5);
    pen.stroke();
    pen.globalAlpha = 1;
    // β u, from V(s') to what is backed up.
    pen.fillStyle = facts.colors.droco;
    pen.globalAlpha = 0.35;
    const [a, b] = [px(seen.backed), px(seen.truth.source.value)].sort((p, q) => p - q);
    pen.fillRect(a, y - 5, Math.max(b - a, 1), 10);
    pen.globalAlpha = 1;
    const dot = (v, color, r) => {
      pen.fillStyle = color;
      pen.beginPath();
      pen.arc(px(v), y, r, 0, 7);
      pen.fill();
    };
    values.forEach((v, k) => k !== seen.worst && dot(v, heat(this.share(v), facts.colors), 4));
    dot(values[seen.worst], facts.colors.worst, 6);
    dot(seen.truth.source.value, facts.colors.source, 5);
    dot(seen.truth.target.value, facts.colors.target, 5);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "top";
    const label = (v, words, row, color) => {
      const half = pen.measureText(words).width / 2 + 2;
      pen.textAlign = "center";
      pen.fillStyle = color;
      pen.fillText(words, Math.min(Math.max(px(v), half), width - half), row);
    };
    label(seen.truth.source.value, "V(s′)", 20, ink);
    label(seen.backed, "backed up", 64, ink);
    label(values[seen.worst], "worst", 4, ink);
    const away = (v) => Math.abs(px(seen.truth.target.value) - px(v)) > 90;
    if (away(seen.truth.source.value)) label(seen.truth.target.value, "V(s′), target", 20, ink);
    else if (away(seen.backed)) label(seen.truth.target.value, "V(s′), target", 64, ink);
    if (Math.abs(px(0) - px(seen.backed)) > 60 && Math.abs(px(0) - px(marks[1])) > 60) label(0, "0", 64, ink);
    this.bar.setAttribute("aria-label", `Values: V of the next state ${number(marks[0], 1)}, the ` +
      `worst model ${number(values[seen.worst], 1)}, backed up ${number(seen.backed, 1)}`);
  }

  explain() {
    const { seen, beta, delta } = this;
    const { value } = seen.truth.source;
    const values = seen.predicted.map((each) => each.value);
    const worst = values[seen.worst];
    const lines = [
      ["V(s′), source robot", number(value, 1)],
      ["V(s′), target robot, which DROCO does not know", number(seen.truth.target.value, 1)],
      [`min V of ${values.length} models`, number(worst, 1)],
      ["u = V(s′) − min V", number(seen.penalty, 1)],
      [`β u, β = ${number(beta, 2)}`, number(seen.charged, 1)],
      ["value backed up", number(seen.backed, 1)],
      ["target y = r + γ · value backed up", number(seen.target, 1)],
      ["y − Q(s, a)", number(seen.error, 1)],
      [`share of the gradient that Huber's δ = ${number(delta)} keeps`, `${number(100 * seen.kept)} %`],
      ["models' error, in usual steps of the target", number(seen.miss, 2)],
      ["models' spread, in the same unit", number(seen.spread, 2)],
    ];
    this.numbers.replaceChildren(...lines.flatMap(([name, v]) =>
      [make("div", {}, make("dt", { text: name }), make("dd", { text: v }))]));
    const said = (seen.penalty >= 0
      ? `The worst of the ${values.length} next states is worth ${number(seen.penalty, 1)} less than the ` +
        `true one. DROCO takes off β times that: ${number(seen.charged, 1)}.`
      : `All ${values.length} models promise more than the true next state is worth. u is negative, so ` +
        `DROCO adds ${number(-seen.charged, 1)}.`) + (seen.backed > seen.unbounded
      ? ` The floor holds: without it ${number(seen.unbounded, 1)} would be backed up.` : "");
    this.words.textContent = said;
    this.canvas.setAttribute("aria-label",
      `The robot, ${seen.predicted.length} predicted next states and the two true ones. ${said}`);
  }

  dispose() {
    this.artist.dispose();
    this.mechanism.dispose();
    this.root.replaceChildren();
  }
}
