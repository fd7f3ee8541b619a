// A race: several policies, one robot each, all under the same shift. No page in here.

import { decode } from "./arrays.js";
import { Agent } from "./networks.js";
import { Robot, RobotModel } from "./physics.js";
import { generator } from "./random.js";
import { disturbed } from "./attacks.js";

export const DEFAULTS = {
  policies: [],
  family: "", // of the shift; "" is the nominal robot
  variant: "",
  strength: 0,
  gravity: 0, // strength of gravity's own shift: below 0 is "down", above 0 "up"
  friction: 0,
  noise: 0, // half-width of the box of observations, in standard deviations
  attack: 0, // the same for the min-Q attack
  seed: 0,
  swarm: false,
};

/** One policy with its robots: one in a race, thirty in a swarm. */
class Racer {
  constructor(agent, owner, starts) {
    this.agent = agent;
    this.robots = starts.map(() => new Robot(owner));
    this.starts = starts;
    this.reset();
  }

  reset() {
    this.robots.forEach((robot, k) => robot.reset(this.starts[k].qpos, this.starts[k].qvel));
    this.trail = [0]; // the first robot's return after each step
    this.standing = [this.robots.length]; // how many stand after each step
    this.random = this.robots.map((_, k) => generator(this.starts[k].seed));
  }

  get first() {
    return this.robots[0];
  }

  get over() {
    return this.robots.every((robot) => !running(robot));
  }

  dispose() {
    this.robots.forEach((robot) => robot.dispose());
  }
}

const running = (robot) => robot.alive && robot.step < robot.spec.maxSteps;

export class Session {
  /** @param facts a robot's file, as Python wrote it. */
  constructor(mj, facts, settings = {}) {
    this.facts = facts;
    this.owner = new RobotModel(mj, facts);
    this.settings = { ...DEFAULTS };
    this.agents = {};
    const [qpos, qvel] = [decode(facts.starts.qpos), decode(facts.starts.qvel)];
    this.starts = facts.starts.seeds.map((seed, k) => ({
      seed,
      qpos: qpos.data.subarray(k * qpos.shape[1], (k + 1) * qpos.shape[1]),
      qvel: qvel.data.subarray(k * qvel.shape[1], (k + 1) * qvel.shape[1]),
    }));
    this.deviation = decode(facts.deviation).data;
    this.racers = [];
    this.events = [];
    this.apply({ policies: Object.keys(facts.policies).slice(0, 2), ...settings });
  }

  agent(name) {
    if (!this.facts.policies[name]) throw new Error(`no policy is called ${name}`);
    return (this.agents[name] ??= new Agent(name, this.facts.policies[name]));
  }

  /** A policy that was not in the file, or a newer one of that name. */
  addPolicy(name, facts) {
    this.facts.policies[name] = facts;
    delete this.agents[name];
    if (this.settings.policies.includes(name)) this.rebuild();
  }

  /** The shifts that the settings ask for, as RobotModel.shift takes them. */
  shifts() {
    const { family, variant, strength, gravity, friction } = this.settings;
    const found = family && strength ? [{ family, variant, strength }] : [];
    for (const [name, value] of [["gravity", gravity], ["friction", friction]])
      if (value)
        found.push({ family: name, variant: value < 0 ? "down" : "up", strength: Math.abs(value) });
    return found;
  }

  /** Change settings. The robots run on, unless other policies or another start are asked for. */
  apply(changes) {
    const before = this.settings;
    this.settings = { ...before, ...changes };
    const { family, variant } = this.settings;
    const variants = this.facts.shifts[family];
    if (family && !variants) throw new Error(`${this.facts.robot} has no family ${family}`);
    if (family && !variants[variant]) this.settings.variant = Object.keys(variants)[0];
    const most = family ? variants[this.settings.variant].max : 0;
    this.settings.strength = Math.min(Math.max(this.settings.strength, 0), family ? most : 4 / 3);
    const last = this.starts.length - 1;
    this.settings.seed = Math.min(Math.max(this.settings.seed, 0), last);
    this.owner.shift(this.shifts());
    const again = ["policies", "seed", "swarm"].some(
      (name) => JSON.stringify(before[name]) !== JSON.stringify(this.settings[name]),
    );
    if (again || !this.racers.length) this.rebuild();
  }

  rebuild() {
    this.pending = null;
    this.racers.forEach((racer) => racer.dispose());
    const { policies, seed, swarm } = this.settings;
    const starts = swarm ? this.starts : [this.starts[seed]];
    this.racers = policies.map((name) => new Racer(this.agent(name), this.owner, starts));
    this.events = [];
  }

  reset() {
    this.pending = null;
    this.racers.forEach((racer) => racer.reset());
    this.events = [];
  }

  get over() {
    return this.racers.every((racer) => racer.over);
  }

  /** What the racer's policy sees of a robot. */
  seen(racer, k) {
    const { noise, attack } = this.settings;
    const robot = racer.robots[k];
    if (!noise && !attack) return robot.observation;
    return disturbed(racer.agent, robot.observation, { noise, attack },
      this.deviation, racer.random[k]);
  }

  /** One environment step of every robot that still runs, or the rest of one; how many moved. */
  step() {
    return this.advance(() => false).moved;
  }

  /**
   * Part of an environment step: a swarm's takes longer than a frame.
   * @param enough asked after each robot: whether to stop here and go on at the next call.
   * @returns {moved: how many robots, whole: whether the step is complete}.
   */
  advance(enough) {
    this.pending ??= this.moves();
    for (let moved = 0; ; ) {
      if (this.pending.next().done) {
        this.pending = null;
        return { moved, whole: true };
      }
      moved += 1;
      if (enough()) return { moved, whole: false };
    }
  }

  /** An environment step, robot by robot. */
  *moves() {
    for (const racer of this.racers) {
      for (const [k, robot] of racer.robots.entries()) {
        if (!running(robot)) continue;
        robot.act(Array.from(racer.agent.act(this.seen(racer, k))));
        if (!robot.alive)
          this.events.push({ kind: "fall", policy: racer.agent.name, robot: k, step: robot.step });
        yield;
      }
      if (running(racer.first) || racer.trail.length <= racer.first.step)
        racer.trail.push(racer.first.total);
      if (!racer.over || racer.standing.at(-1) > 0)
        racer.standing.push(racer.robots.filter((robot) => robot.alive).length);
    }
  }

  /** The same push for every robot that still runs: a change of velocity, m/s. */
  push(vx, vz = 0) {
    for (const racer of this.racers)
      for (const robot of racer.robots) if (running(robot)) robot.push(vx, vz);
  }

  dispose() {
    this.racers.forEach((racer) => racer.dispose());
    this.owner.dispose();
  }
}
