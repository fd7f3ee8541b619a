// Robots in MuJoCo's WebAssembly build, holding the numbers of the models that Python compiled.

import { decode } from "./arrays.js";

/** Views of a model's numbers are read anew each time: WASM memory may move. */
function field(model, name) {
  const [owner, own] = name.startsWith("opt.")
    ? [model.opt, name.slice(4)]
    : name.startsWith("stat.")
      ? [model.stat, name.slice(5)]
      : [model, name];
  return { owner, own, value: owner[own] };
}

function write(model, name, index, values) {
  const { owner, own, value } = field(model, name);
  if (value === undefined) return false;
  if (typeof value === "number") owner[own] = values[0];
  else for (let k = 0; k < index.length; k++) value[index[k]] = values[k];
  return true;
}

/** A field as an array of numbers, or undefined where this MuJoCo does not have it. */
export function read(model, name) {
  const { value } = field(model, name);
  return value === undefined ? undefined : typeof value === "number" ? [value] : Array.from(value);
}

/** One robot's model under the shifts asked for. */
export class RobotModel {
  /**
   * @param mj MuJoCo's module.
   * @param facts the robot's file: xml, nominal, shifts, spec, starts.
   */
  constructor(mj, facts) {
    this.mj = mj;
    this.facts = facts;
    this.spec = facts.spec;
    this.model = mj.MjModel.from_xml_string(facts.xml);
    this.nominal = {};
    this.missing = [];
    for (const [name, array] of Object.entries(facts.nominal)) {
      this.nominal[name] = decode(array).data;
      if (read(this.model, name) === undefined) this.missing.push(name);
    }
    this.tables = {};
    for (const [family, variants] of Object.entries(facts.shifts)) {
      this.tables[family] = {};
      for (const [variant, table] of Object.entries(variants)) {
        const fields = Object.entries(table.fields).map(([name, { index, rows }]) => ({
          name,
          index: decode(index).data,
          rows: decode(rows).data,
        }));
        this.tables[family][variant] = { ...table, fields };
      }
    }
    this.shift([]);
    this.qpos0 = Array.from(this.model.qpos0);
    this.dt = this.spec.dt;
  }

  /**
   * Put the model under several shifts at once, each {family, variant, strength}; [] is nominal.
   * A strength takes the nearest row of its table. Later shifts win where two change one
   * number.
   */
  shift(shifts) {
    for (const [name, values] of Object.entries(this.nominal))
      write(this.model, name, Array.from(values.keys()), values);
    for (const { family, variant, strength } of shifts) {
      if (!strength) continue;
      const table = this.tables[family]?.[variant];
      if (!table) throw new Error(`${this.facts.robot} has no shift ${family} ${variant}`);
      const row = this.row(table, strength);
      for (const { name, index, rows } of table.fields)
        write(this.model, name, index, rows.subarray(row * index.length, (row + 1) * index.length));
    }
  }

  /** The row of a table for a strength; its last one is the variant's largest. */
  row({ count, max }, strength) {
    if (strength >= max) return count - 1;
    const { strengths } = this.facts;
    const above = Math.max(strengths.findIndex((s) => s >= strength), 1);
    const nearer = strengths[above] - strength <= strength - strengths[above - 1] ? above : above - 1;
    return Math.min(nearer, count - 1);
  }

  dispose() {
    this.model.delete();
  }
}

/** One body in a model: state, observation, reward, and whether it stands. */
export class Robot {
  constructor(robotModel) {
    this.owner = robotModel;
    this.spec = robotModel.spec;
    this.data = new robotModel.mj.MjData(robotModel.model);
    this.observation = new Float64Array(this.spec.observationSize);
    this.reset(robotModel.qpos0, new Float64Array(this.data.qvel.length));
  }

  /** Start an episode at a state. */
  reset(qpos, qvel) {
    const { mj, model } = this.owner;
    mj.mj_resetData(model, this.data);
    this.data.qpos.set(qpos);
    this.data.qvel.set(qvel);
    this.step = 0;
    this.total = 0;
    this.alive = true;
    mj.mj_kinematics(model, this.data); // for drawing
    this.forward = this.position();
    return this.observe();
  }

  /** What the reward compares: the joint's x, or Ant's torso in the world. */
  position() {
    return this.spec.rewardReadsTorso ? this.data.xpos[3] : this.data.qpos[0];
  }

  observe() {
    const { hiddenPositions: hidden, velocityClip: clip } = this.spec;
    const { qpos, qvel } = this.data;
    let k = 0;
    for (let i = hidden; i < qpos.length; i++) this.observation[k++] = qpos[i];
    for (let i = 0; i < qvel.length; i++)
      this.observation[k++] = clip === null ? qvel[i] : Math.min(Math.max(qvel[i], -clip), clip);
    return this.observation;
  }

  healthy() {
    const { qpos, qvel } = this.data;
    return this.spec.healthy.every(([index, low, high]) => {
      const value = index < qpos.length ? qpos[index] : qvel[index - qpos.length];
      return value > low && value < high;
    });
  }

  /** One environment step; returns the reward. Actions beyond [-1, 1] are clipped. */
  act(actions) {
    const { mj, model } = this.owner;
    const { controlCost, healthyReward, frameSkip, dt } = this.spec;
    const clipped = actions.map((a) => Math.fround(Math.min(Math.max(a, -1), 1)));
    this.data.ctrl.set(clipped);
    for (let i = 0; i < frameSkip; i++) mj.mj_step(model, this.data);
    const after = this.position();
    const healthy = this.healthy();
    const cost = controlCost * clipped.reduce((sum, a) => Math.fround(sum + a * a), 0);
    const reward = (after - this.forward) / dt + (healthy ? healthyReward : 0) - cost;
    this.forward = after;
    this.step += 1;
    this.total += reward;
    this.alive = healthy;
    this.observe();
    return reward;
  }

  /** Add a velocity (m/s) to the whole body, along x and z. */
  push(vx, vz) {
    this.data.qvel[0] += vx;
    this.data.qvel[this.spec.hiddenPositions] += vz; // z follows x, and y where there is one
    this.observe();
  }

  /** Everything that one step may change, to come back to. */
  save() {
    const { qpos, qvel, qacc_warmstart: warm, time } = this.data;
    return {
      qpos: Array.from(qpos), qvel: Array.from(qvel), warm: Array.from(warm), time,
      step: this.step, total: this.total, alive: this.alive, forward: this.forward,
    };
  }

  restore(state) {
    this.data.qpos.set(state.qpos);
    this.data.qvel.set(state.qvel);
    this.data.qacc_warmstart.set(state.warm);
    this.data.time = state.time;
    this.step = state.step;
    this.total = state.total;
    this.alive = state.alive;
    this.forward = state.forward;
    this.observe();
  }

  dispose() {
    this.data.delete();
  }
}
