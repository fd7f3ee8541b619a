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
    const { robot, views, settings } = JSON.parse(box.dataset.options);
    const base = box.dataset.static;
    const [press, said, stage] = ["press", "said", "stage"].map((name) =>
      box.querySelector(`:scope > .droco-lab-${name}`),
    );
    const button = press.querySelector("button");
    button.disabled = true;
    said.textContent = "Loading MuJoCo and the policies…";
    try {
      await Promise.all([load(`${base}lab.js`), load(`${base}lab-${robot}.js`)]);
      box.lab = await DrocoLab.mount(stage, drocoLabRobots[robot], { views, settings });
      said.textContent = "";
      press.hidden = true;
      box.querySelector(".droco-lab-fallback").hidden = true;
      stage.querySelector("button")?.focus({ preventScroll: true });
    } catch (error) {
      button.disabled = false;
      said.textContent = `The live lab could not start here (${error.message}). The clip above is what it shows.`;
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
    function show() {
      const clip = clips.find(({ at }) => selects.every(([name, { value }]) => at[name] === value));
      image.src = figure.dataset.folder + clip.clip;
      still.srcset = figure.dataset.folder + clip.still;
      image.alt = caption.textContent = clip.said;
    }
    const bar = document.createElement("p");
    bar.className = "droco-lab-press droco-lab-choose";
    bar.append(...selects.map(([, , choice]) => choice));
    figure.append(bar);
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
