// Forward passes of the book's small networks, as Python's `agents.networks` computes them.

import { decode } from "./arrays.js";

/** [{weight: Float32Array [in * out], bias, ins, outs}] from a file's list of layers. */
export function readLayers(layers) {
  return layers.map(({ weight, bias }) => {
    const { data, shape } = decode(weight);
    return { weight: data, bias: decode(bias).data, ins: shape[0], outs: shape[1] };
  });
}

const relu = (x) => (x > 0 ? x : 0);
const silu = (x) => x / (1 + Math.exp(-x));

/** The output of a perceptron for one input. */
export function mlp(layers, input, activation = relu) {
  let x = input;
  layers.forEach(({ weight, bias, ins, outs }, depth) => {
    const y = Float32Array.from(bias);
    // Four inputs at a time, so that y is read and written a quarter as often; zeros cost nothing.
    const live = [];
    for (let i = 0; i < ins; i++) if (x[i] !== 0) live.push(i);
    let k = 0;
    for (; k + 4 <= live.length; k += 4) {
      const [i0, i1, i2, i3] = [live[k], live[k + 1], live[k + 2], live[k + 3]];
      const [v0, v1, v2, v3] = [x[i0], x[i1], x[i2], x[i3]];
      const [r0, r1, r2, r3] = [i0 * outs, i1 * outs, i2 * outs, i3 * outs];
      for (let j = 0; j < outs; j++)
        y[j] += v0 * weight[r0 + j] + v1 * weight[r1 + j] + v2 * weight[r2 + j] + v3 * weight[r3 + j];
    }
    for (; k < live.length; k++) {
      const [value, row] = [x[live[k]], live[k] * outs];
      for (let j = 0; j < outs; j++) y[j] += value * weight[row + j];
    }
    if (depth < layers.length - 1) for (let j = 0; j < outs; j++) y[j] = activation(y[j]);
    x = y;
  });
  return x;
}

/** Policy, V and critics of one trained run. */
export class Agent {
  constructor(name, facts) {
    this.name = name;
    this.facts = facts;
    this.layers = readLayers(facts.policy);
    this.valueLayers = facts.value && readLayers(facts.value);
    this.critics = facts.critics?.map(readLayers);
  }

  /** Deterministic action, tanh of the network. */
  act(observation) {
    return mlp(this.layers, observation).map(Math.tanh);
  }

  value(observation) {
    return mlp(this.valueLayers, observation)[0];
  }

  /** The smaller critic's Q(s, a). */
  critic(observation, action) {
    const both = Float32Array.from([...observation, ...action]);
    return Math.min(...this.critics.map((layers) => mlp(layers, both)[0]));
  }
}

/** N Gaussian models of the target's dynamics; see Python's `agents.ensemble`. */
export class Ensemble {
  constructor(facts) {
    this.members = facts.members.map(readLayers);
    for (const name of ["input_mean", "input_std", "output_mean", "output_std"])
      this[name] = decode(facts[name]).data;
  }

  /** Every member's mean next observation, [N][S], and reward, [N]. */
  predict(observation, action) {
    const inputs = Float32Array.from([...observation, ...action], (x, i) =>
      (x - this.input_mean[i]) / this.input_std[i]);
    const size = observation.length;
    return this.members.map((layers) => {
      const raw = mlp(layers, inputs, silu);
      const out = this.output_mean.map((mean, i) => raw[i] * this.output_std[i] + mean);
      return {
        next: Float32Array.from({ length: size }, (_, i) => observation[i] + out[i]),
        reward: out[size],
      };
    });
  }
}
