// Names that a reader meets.

export const ROBOTS = { walker2d: "Walker2d", halfcheetah: "HalfCheetah", hopper: "Hopper", ant: "Ant" };

const FAMILIES = {
  kinematic: "joints that lost range",
  morph: "limbs of another shape",
  gravity: "gravity",
  friction: "friction",
  "otdf-kinematic": "joints that lost range (OTDF)",
  "otdf-morph": "limbs of another shape (OTDF)",
  "otdf-gravity": "gravity (OTDF)",
};
const PARTS = {
  thighjnt: "thighs", footjnt: "feet", legjnt: "shins", torso: "torso", leg: "legs", foot: "foot",
  thigh: "thighs", down: "lighter", up: "heavier", rightfootjnt: "right foot",
  rightleg: "right leg", backthighjnt: "back thigh", thighfootjnt: "thigh and foot",
  torsothigh: "torso and thigh",
};

/** "joints that lost range: thighs" of kinematic, thighjnt. */
export function shiftName(family, variant) {
  return `${FAMILIES[family] ?? family}: ${PARTS[variant] ?? variant}`;
}

/** What a strength is called: "hard", "between easy and medium", "0.25". */
export function strengthName(value, levels) {
  if (!value) return "0, nominal";
  const level = Object.entries(levels).find(([, s]) => Math.abs(s - value) < 1 / 240);
  return level ? `${value.toFixed(2)}, ${level[0]}` : value.toFixed(2);
}

export const number = (x, digits = 0) =>
  Number.isFinite(x)
    ? x.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
        .replace(/^-(?=[0.]*$)/, "") // no minus before a zero
        .replace("-", "−")
    : "–";

/** "mean 1,203 of 3 seeds (1,100 to 1,290)" of a card's returns. */
export function committed(returns) {
  if (!returns) return "–";
  if ("mean" in returns) return number(returns.mean);
  const values = Object.values(returns);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  if (values.length === 1) return number(mean);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${number(mean)} (${number(low)} to ${number(high)}, ${values.length} seeds)`;
}
