// A slider over the trained values of β: it changes which policy runs in one lane of a race.

import { slider } from "./dom.js";

/** Names of a robot's policies along β, from 0 (IQL*) upwards. */
export function alongBeta(policies) {
  return Object.keys(policies)
    .filter((name) => Number.isFinite(policies[name].alongBeta))
    .sort((a, b) => policies[a].alongBeta - policies[b].alongBeta);
}

/**
 * The policies that race once the slider holds another one.
 * @param racing names, of which `held` is the slider's (null: none).
 * @returns {racing, held}.
 */
export function moved(racing, held, name, most) {
  const own = racing.includes(held) ? held : null;
  if (racing.includes(name)) {
    if (name === own) return { racing, held };
    return { racing: racing.filter((n) => n !== own), held: null }; // it runs in a lane of its own
  }
  if (own) return { racing: racing.map((n) => (n === own ? name : n)), held: name };
  return { racing: [name, ...racing].slice(0, most), held: name };
}

export class BetaSlider {
  /** @param race the race whose policies change. */
  constructor(race, most) {
    const { policies } = race.facts;
    this.race = race;
    this.names = alongBeta(policies);
    this.held = race.settings.policies.find((name) => this.names.includes(name)) ?? null;
    const read = (k) => {
      const { alongBeta: beta, label } = policies[this.names[k]];
      const races = race.settings.policies.includes(this.names[k]) ? "" : "; not in the race";
      return (beta ? `${beta}` : `0, which is ${label}`) + races;
    };
    this.control = slider({
      label: "β of DROCO", min: 0, max: this.names.length - 1, step: 1, read,
      value: Math.max(this.names.indexOf(this.held), 0),
      change: (k) => {
        const next = moved(race.settings.policies, this.held, this.names[k], most);
        this.held = next.held;
        race.apply({ policies: next.racing });
      },
    });
  }

  get element() {
    return this.control.element;
  }

  /** Stand where the policies that race do. */
  show(racing) {
    if (!racing.includes(this.at))
      this.held = racing.find((name) => this.names.includes(name)) ?? null;
    this.control.show(this.names.indexOf(this.held ?? this.at));
  }

  get at() {
    return this.names[Number(this.control.input.value)];
  }
}
