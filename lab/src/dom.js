// Small pieces of page.

let count = 0;
export const fresh = (name) => `droco-lab-${name}-${(count += 1)}`;

/** An element: make("p", {class: "x", text: "…"}, child, child). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The key of an event; letters count the same with Shift or Caps Lock. */
export const pressed = ({ key }) => (key.length === 1 ? key.toLowerCase() : key);

export function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", class: "droco-lab-button", text, onclick, ...attributes });
}

/**
 * A slider with its name and a reading in words.
 * @returns {element, input, show(value)}.
 */
export function slider({ label, min, max, step, value, read, change }) {
  const input = make("input", { type: "range", min, max, step, id: fresh("slider") });
  const reading = make("output", { for: input.id });
  const show = (v) => {
    input.value = v;
    reading.textContent = read(v);
    input.setAttribute("aria-valuetext", read(v));
  };
  input.addEventListener("input", () => {
    show(Number(input.value));
    change(Number(input.value));
  });
  show(value);
  const element = make("div", { class: "droco-lab-slider" },
    make("label", { for: input.id, text: label }), reading, input);
  return { element, input, show };
}

/** A list to choose from: options [[value, text]]. */
export function choice({ label, options, value, change }) {
  const select = make("select", { id: fresh("choice") });
  const fill = (list, chosen) => {
    select.replaceChildren(...list.map(([v, text]) => make("option", { value: v, text })));
    select.value = chosen;
  };
  fill(options, value);
  select.addEventListener("change", () => change(select.value));
  const element = make("div", { class: "droco-lab-choice" },
    make("label", { for: select.id, text: label }), select);
  return { element, select, fill, show: (v) => (select.value = v) };
}
