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

  async function start(box) {
    const { robot, views, settings, own } = JSON.parse(box.dataset.options);
    const base = box.dataset.static;
    const [press, said, stage] = ["press", "said", "stage"].map((name) =>
      box.querySelector(`:scope > .droco-lab-${name}`),
    );
    const button = press.querySelector("button");
    button.disabled = true;
    said.textContent = "Loading MuJoCo and the policies…";
    try {
      const scripts = own ? ["lab"] : ["lab", `lab-${robot}`];
      await Promise.all(scripts.map((name) => load(`${base}${name}.js`)));
      box.lab = own
        ? await DrocoLab.mountOwn(stage, own)
        : await DrocoLab.mount(stage, drocoLabRobots[robot], { views, settings });
      said.textContent = "";
      press.hidden = true;
      box.querySelector(".droco-lab-fallback")?.toggleAttribute("hidden", true);
      stage.querySelector("button")?.focus({ preventScroll: true });
    } catch (error) {
      button.disabled = false;
      said.textContent = `The live lab could not start here (${error.message}).${own ? "" : " The clip above is what it shows."}`;
      console.warn(error);
    }
  }

  // The clips: one choice for each of their facts.
  function clips(figure) {
    const { axes, clips } = JSON.parse(figure.dataset.clips);
    const [image, still, caption] = ["img", "source", "figcaption"].map((s) => figure.querySelector(s));
    const selects = Object.entries(axes).map(([name, { label, options }]) => {
      const choice = document.createElement("label");
      const select = document.createElement("select");
      select.name = name;
      for (const { value, text } of options) select.add(new Option(text, value));
      select.value = clips[0].at[name];
      choice.append(`${label} `, select);
      select.addEventListener("change", show);
      return [name, select, choice];
    });
    const dots = document.createElement("div");
    dots.className = "droco-lab-dots";
    const most = Math.max(1, ...clips.flatMap(({ returns = {} }) => Object.values(returns)));
    function show() {
      const clip = clips.find(({ at }) => selects.every(([name, { value }]) => at[name] === value));
      image.src = figure.dataset.folder + clip.clip;
      still.srcset = figure.dataset.folder + clip.still;
      image.alt = caption.textContent = clip.said;
      dots.replaceChildren(...seeds(clip.returns ?? {}, most));
    }
    const bar = document.createElement("p");
    bar.className = "droco-lab-press droco-lab-choose";
    bar.append(...selects.map(([, , choice]) => choice));
    figure.append(bar, dots);
    dots.replaceChildren(...seeds(clips[0].returns ?? {}, most));
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
    const picture = mark("svg", { viewBox: "0 0 300 20", "aria-hidden": "true" });
    picture.append(
      mark("path", { d: "M6 10H294", stroke: "currentColor", "stroke-opacity": 0.4 }),
      mark("path", { d: `M${at(mean)} 2V18`, stroke: "currentColor", "stroke-width": 2 }),
      ...values.map((x) => mark("circle", { cx: at(x), cy: 10, r: 4, fill: "currentColor", "fill-opacity": 0.6 })),
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
      box.querySelector(".droco-lab-start")?.addEventListener("click", () => start(box));
      box.querySelectorAll(".droco-lab-clips").forEach(clips);
    }
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
  else begin();
})();
