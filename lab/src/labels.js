// Names that a reader meets.

export const ROBOTS = { walker2d: "Walker2d", halfcheetah: "HalfCheetah", hopper: "Hopper", ant: "Ant" };

export const FAMILIES = {
  kinematic: "joints that lost range",
  morph: "limbs of another shape",
  gravity: "gravity",
  friction: "friction",
  "otdf-kinematic": "joints that lost range (OTDF)",
  "otdf-morph": "limbs of another shape (OTDF)",
  "otdf-gravity": "gravity (OTDF)",
};
export const PARTS = {
  thighjnt: "thighs", footjnt: "feet", legjnt: "shins", torso: "torso", leg: "legs", foot: "foot",
  thigh: "thighs", down: "lighter", up: "heavier", rightfootjnt: "right foot",
  rightleg: "right leg", backthighjnt: "back thigh", thighfootjnt: "thigh and foot",
  torsothigh: "torso and thigh", hipjnt: "hips", anklejnt: "ankles", alllegs: "all legs",
  halflegs: "front legs", fronthipjnt: "front hips", frontlegs: "front legs",
};

/** "joints that lost range: thighs" of kinematic, thighjnt. */
export function shiftName(family, variant) {
  return `${FAMILIES[family] ?? family}: ${PARTS[variant] ?? variant}`;
}

/** The strength that a slider in hundredths means: its 0.33 is the third. */
export function level(value) {
  return [1 / 3, 2 / 3, 4 / 3].find((third) => Math.abs(third - value) < 0.004) ?? value;
}

/** What a strength is called: "0.33, easy", "0.25". */
export function strengthName(value, levels) {
  if (!value) return "0, nominal";
  const level = Object.entries(levels).find(([, s]) => Math.abs(s - value) < 1e-6);
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
