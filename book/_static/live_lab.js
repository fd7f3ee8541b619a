// Behind the live lab's "Run live": its scripts are loaded when it is pressed, once a page.
(() => {
  const loading = {};
  const load = (src) =>
    (loading[src] ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      Object.assign(script, {
        src,
        onload: done,
        onerror: () => {
          delete loading[src];
          failed(new Error(`${src} could not be read`));
        },
      });
      document.head.append(script);
    }));

  const parts = (box, ...names) => names.map((name) => box.querySelector(`:scope > .droco-lab-${name}`));

  /** @param focus whether the reader's focus goes to the lab's first button. */
  async function start(box, focus = true) {
    const { views, settings, own } = box.options;
    const robot = box.robot;
    const base = box.dataset.static;
    const [press, said, stage] = parts(box, "begin", "said", "stage");
    const button = press.querySelector("button");
    button.disabled = true;
    said.textContent = "Loading MuJoCo and the policies…";
    try {
      const scripts = own ? ["lab"] : ["lab", `lab-${robot}`];
      await Promise.all(scripts.map((name) => load(`${base}${name}.js`)));
      box.lab = own
        ? await DrocoLab.mountOwn(stage, own)
        : await DrocoLab.mount(stage, drocoLabRobots[robot], {
            views, settings: robot === box.options.robot ? { ...settings } : { policies: settings.policies },
          });
      said.textContent = "";
      press.hidden = true;
      box.querySelector(".droco-lab-fallback")?.toggleAttribute("hidden", true);
      if (focus) stage.querySelector("button")?.focus({ preventScroll: true });
    } catch (error) {
      const clip = own ? "" : " The clip above shows what it would do.";
      said.textContent = `The live lab could not start here: ${error.message}.${clip}`;
      console.warn(error);
    } finally {
      button.disabled = false;
    }
  }

  // Another robot: its clips, or its lab where one runs.
  async function choose(box, robot) {
    box.robot = robot;
    await box.starting;
    if (robot !== box.robot) return;
    const [press, said, fallback] = parts(box, "begin", "said", "fallback");
    const ran = Boolean(box.lab);
    box.lab?.dispose();
    delete box.lab;
    for (const figure of fallback.children) figure.hidden = figure.dataset.robot !== robot;
    fallback.hidden = press.hidden = false;
    said.textContent = "";
    const note = press.querySelector("button + .droco-lab-note");
    if (note) note.textContent = box.options.notes[robot];
    if (ran) box.starting = start(box, false);
  }

  // The clips: one choice for each of their facts.
  function clips(figure) {
    const { axes, clips } = JSON.parse(figure.dataset.clips);
    const [image, still, caption] = ["img", "source", "figcaption"].map((s) => figure.querySelector(s));
    const first = clips.find(({ clip }) => image.getAttribute("src").endsWith(`/${clip}`));
    const selects = Object.entries(axes).map(([name, { label, options }]) => {
      const choice = document.createElement("label");
      const select = document.createElement("select");
      select.name = name;
      for (const { value, text } of options) select.add(new Option(text, value));
      select.value = first.at[name];
      choice.append(`${label} `, select);
      select.addEventListener("change", show);
      return [name, select, choice];
    });
    let moves = true;
    const stop = document.createElement("button");
    Object.assign(stop, { type: "button", className: "droco-lab-stop", textContent: "Stop the clip" });
    stop.addEventListener("click", () => {
      moves = !moves;
      stop.textContent = moves ? "Stop the clip" : "Play the clip";
      show();
    });
    const dots = document.createElement("div");
    dots.className = "droco-lab-dots";
    const most = Math.max(1, ...clips.flatMap(({ returns = {} }) => Object.values(returns)));
    function show() {
      const clip = clips.find(({ at }) => selects.every(([name, { value }]) => at[name] === value));
      image.src = figure.dataset.folder + (moves ? clip.clip : clip.still);
      still.srcset = figure.dataset.folder + clip.still;
      image.alt = caption.textContent = clip.said;
      dots.replaceChildren(...seeds(clip.returns ?? {}, most));
    }
    const bar = document.createElement("p");
    bar.className = "droco-lab-press droco-lab-choose";
    bar.append(...selects.map(([, , choice]) => choice), stop);
    figure.append(bar, dots);
    dots.replaceChildren(...seeds(first.returns ?? {}, most));
  }

  // The return of each trained seed as a dot on one line, with their mean as a stroke.
  function seeds(returns, most) {
    const values = Object.values(returns);
    if (!values.length) return [];
    const number = (x) => Math.round(x).toLocaleString("en").replace("-", "−");
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const at = (x) => 6 + (288 * Math.max(x, 0)) / most;
    const mark = (name, attributes) => {
      const part = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
      return part;
    };
    const picture = mark("svg", { viewBox: "0 0 300 34", "aria-hidden": "true" });
    const end = (x, anchor, words) => {
      const text = mark("text", { x, y: 30, "text-anchor": anchor, fill: "currentColor", "font-size": 11 });
      text.textContent = words;
      return text;
    };
    picture.append(
      mark("path", { d: "M6 10H294", stroke: "currentColor", "stroke-opacity": 0.4 }),
      mark("path", { d: `M${at(mean)} 2V18`, stroke: "currentColor", "stroke-width": 2 }),
      ...values.map((x) => mark("circle", { cx: at(x), cy: 10, r: 4, fill: "currentColor", "fill-opacity": 0.6 })),
      end(0, "start", "return 0"), end(300, "end", number(most)),
    );
    const words = document.createElement("p");
    const each = Object.entries(returns).map(([seed, x]) => `seed ${seed}: ${number(x)}`).join(", ");
    words.textContent = values.length > 1
      ? `Mean return of ${values.length} training seeds ${number(mean)} (${each}).`
      : `Mean return of its one training seed ${number(mean)}.`;
    return [picture, words];
  }

  const begin = () => {
    for (const box of document.querySelectorAll(".droco-lab")) {
      box.options = JSON.parse(box.dataset.options);
      box.robot = box.options.robot;
      const select = box.querySelector(":scope > .droco-lab-robot select");
      if (select) {
        select.value = box.robot; // a page that was opened again may remember another
        select.addEventListener("change", () => choose(box, select.value));
      }
      box.querySelector(".droco-lab-start")?.addEventListener("click", () => (box.starting = start(box)));
      box.querySelectorAll(".droco-lab-clips").forEach(clips);
    }
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
  else begin();
})();
