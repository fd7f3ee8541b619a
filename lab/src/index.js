// The lab's face: `DrocoLab.mount(element, options)`, for the page and for a kernel's widget.

import style from "./lab.css";
import { engine } from "./engine.js";
import { Ghosts } from "./ghosts.js";
import { Race } from "./race.js";
import { make } from "./dom.js";
import { OwnRobot } from "./own.js";

export { engine };
export { Race } from "./race.js";
export { Ghosts } from "./ghosts.js";
export { Session } from "./session.js";

function dress(root) {
  const home = root.getRootNode();
  const head = home instanceof ShadowRoot ? home : document.head;
  if (!head.querySelector("style[data-droco-lab]"))
    head.append(make("style", { "data-droco-lab": "", text: style }));
}

/** Draw again when the page's width, theme or colour scheme changes; returns what ends it. */
function redrawn(root, draw) {
  const size = new ResizeObserver(draw);
  size.observe(root);
  const theme = new MutationObserver(draw);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme", "data-mode", "class"] });
  return () => {
    size.disconnect();
    theme.disconnect();
  };
}

/** Start the viewer of a reader's own robot in an element; see OwnRobot for the options. */
export async function mountOwn(root, options = {}) {
  dress(root);
  const mj = await engine();
  root.replaceChildren();
  root.classList.add("droco-lab-live");
  const part = make("section", { "aria-label": "Your own robot" });
  root.append(part);
  const running = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const own = new OwnRobot(part, mj, { running, ...options });
  const end = redrawn(root, () => own.draw());
  return { own, dispose: () => (end(), own.dispose()) };
}

/**
 * Start the lab in an element.
 * @param facts a robot's file, as Python wrote it.
 * @param options {views: ["race", "ghosts"], settings, changed(settings)}.
 * @returns {race, ghosts, addPolicy(name, facts), dispose()}.
 */
export async function mount(root, facts, { views = ["race"], settings = {}, changed } = {}) {
  dress(root);
  const mj = await engine();
  root.replaceChildren();
  root.classList.add("droco-lab-live");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const wanted = settings.policies?.filter((name) => facts.policies[name]);
  if (wanted?.length) settings = { ...settings, policies: wanted };
  else delete settings.policies;
  const lab = { facts };
  if (views.includes("race")) {
    const part = make("section", { "aria-label": "Race" });
    root.append(part);
    lab.race = new Race(part, mj, facts, { settings, changed, running: !still });
    if (still) lab.race.say("Your system asks for less motion: press Run or Step.");
  }
  if (views.includes("ghosts") && Object.keys(facts.ensembles).length) {
    const part = make("section", { "aria-label": "Inside DROCO" });
    root.append(part);
    lab.ghosts = new Ghosts(part, mj, facts, lab.race ?? null);
  }
  // The reader's own: it may race, and its values may be asked.
  lab.addPolicy = (name, policy) => {
    facts.policies[name] = policy;
    lab.race?.addPolicy(name, policy);
    lab.ghosts?.addPolicy(name);
  };
  const end = redrawn(root, () => {
    lab.race?.draw();
    lab.ghosts?.redraw();
  });
  lab.dispose = () => {
    end();
    lab.ghosts?.dispose();
    lab.race?.dispose();
    root.replaceChildren();
  };
  return lab;
}
