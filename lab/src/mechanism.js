// What DROCO computes for one source transition (s, a, r, s'), with the true next states beside it.

import { decode } from "./arrays.js";
import { Ensemble } from "./networks.js";
import { Robot, RobotModel } from "./physics.js";

/** The numbers of DROCO's backup; see Python's `agents.droco`. */
export function backup({
  reward, value, values, q, beta, delta, floor = -Infinity, ceiling = Infinity, discount, end,
}) {
  const worst = values.reduce((least, v, i) => (v < values[least] ? i : least), 0);
  const penalty = value - values[worst];
  const unbounded = value - beta * penalty;
  const backed = Math.min(Math.max(unbounded, floor), ceiling);
  const target = reward + (end ? 0 : discount * backed);
  const error = target - q;
  const kept = Math.abs(error) > delta ? delta / Math.abs(error) : 1; // of the squared loss's pull
  return { worst, penalty, charged: beta * penalty, unbounded, backed, target, error, kept };
}

/** The observation's positions as qpos; the hidden x advances with its predicted velocity. */
export function pose(spec, observation, qpos, dt) {
  const hidden = spec.hiddenPositions;
  const shown = Float64Array.from(qpos);
  for (let i = hidden; i < shown.length; i++) shown[i] = observation[i - hidden];
  for (let i = 0; i < hidden; i++) shown[i] += dt * observation[shown.length - hidden + i];
  return shown;
}

/** Ensemble, the two true robots, and the recorded source transitions of a robot. */
export class Mechanism {
  constructor(mj, facts) {
    this.facts = facts;
    this.spec = facts.spec;
    this.ensembles = {}; // by name, read when first asked for
    const [, family, variant] = facts.source.match(/^(.*)-([^-]+)-[^-]+$/);
    const hard = { family, variant, strength: 1 };
    this.truth = ["source", "target"].map((name) => {
      const owner = new RobotModel(mj, facts);
      owner.shift(name === "source" ? [hard] : []);
      return { name, owner, robot: new Robot(owner) };
    });
    this.recorded = Object.fromEntries(
      Object.entries(facts.recorded).map(([name, value]) => [name, decode(value)]),
    );
  }

  /** The models that a run was trained with; the first of the file for a run that had none. */
  ensemble(agent) {
    const { models } = agent.facts; // of the reader's own run
    if (models) return (agent.ensemble ??= new Ensemble(models));
    const name = agent.facts.ensemble ?? Object.keys(this.facts.ensembles)[0];
    return (this.ensembles[name] ??= new Ensemble(this.facts.ensembles[name]));
  }

  get length() {
    return this.recorded.actions.shape[0];
  }

  /** Transition k of the recorded source episode: state and action. */
  transition(k) {
    const row = ({ data, shape }) => data.subarray(k * shape[1], (k + 1) * shape[1]);
    const { qpos, qvel, actions } = this.recorded;
    return { qpos: row(qpos), qvel: row(qvel), action: Array.from(row(actions)) };
  }

  /**
   * Everything about taking an action in a state.
   * @param agent a trained run with V and critics, whose values are asked.
   * @param settings {beta, delta, floored: whether the run's floor and ceiling hold}.
   */
  look({ qpos, qvel, action }, agent, { beta, delta, floored = true }) {
    const { dt } = this.spec;
    const truth = {};
    let observation;
    for (const { name, robot } of this.truth) {
      observation = Float32Array.from(robot.reset(qpos, qvel));
      const reward = robot.act(action);
      const next = Float32Array.from(robot.observation);
      truth[name] = { qpos: Array.from(robot.data.qpos), next, reward, end: !robot.alive,
        value: agent.value(next) };
    }
    const ensemble = this.ensemble(agent);
    const predicted = ensemble.predict(observation, action).map(({ next }) => ({
      next,
      qpos: pose(this.spec, next, qpos, dt),
      value: agent.value(next),
    }));
    const { discount = 0.99, ...own } = agent.facts;
    const { floor, ceiling } = floored ? own : {};
    const numbers = backup({
      reward: truth.source.reward, end: truth.source.end, value: truth.source.value,
      values: predicted.map(({ value }) => value), q: agent.critic(observation, action),
      beta, delta, floor, ceiling, discount,
    });
    // How far apart the models are, in the target data's own usual steps.
    const scale = ensemble.output_std;
    const spread = rms(predicted.flatMap(({ next }) =>
      Array.from(next, (x, i) => (x - mean(predicted, i)) / scale[i])));
    const miss = rms(predicted.flatMap(({ next }) =>
      Array.from(next, (x, i) => (x - truth.target.next[i]) / scale[i])));
    return { qpos: Array.from(qpos), truth, predicted, spread, miss, ...numbers };
  }

  dispose() {
    for (const { owner, robot } of this.truth) {
      robot.dispose();
      owner.dispose();
    }
  }
}

const rms = (x) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
const mean = (predicted, i) =>
  predicted.reduce((sum, { next }) => sum + next[i], 0) / predicted.length;
