// Disturbed observations, as Python's `evaluation.attacks` defines them.

/** Candidates of the min-Q attack. Python asks 50; a page has to answer in milliseconds. */
export const CANDIDATES = 10;

function moved(observation, scale, deviation, random) {
  return Float32Array.from(observation, (x, i) => x + (2 * random() - 1) * scale * deviation[i]);
}

/**
 * What the policy sees: first noise uniform in its box, then the worst of the attack's candidates
 * by the agent's own critic. An agent without critics is not attacked.
 */
export function disturbed(agent, observation, { noise, attack }, deviation, random) {
  const noisy = noise ? moved(observation, noise, deviation, random) : observation;
  if (!attack || !agent.critics) return noisy;
  let [worst, least] = [noisy, agent.critic(observation, agent.act(noisy))];
  for (let k = 0; k < CANDIDATES; k++) {
    const candidate = moved(noisy, attack, deviation, random);
    const value = agent.critic(observation, agent.act(candidate));
    if (value < least) [worst, least] = [candidate, value];
  }
  return worst;
}
