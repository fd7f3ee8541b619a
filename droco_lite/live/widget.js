// The lab in a notebook: the kernel sends its script once, and settings go both ways.

const SETTINGS = ["family", "variant", "strength", "gravity", "friction", "noise", "attack", "seed", "swarm"];

/** Ask the kernel for one thing and wait for its answer: its content and its buffers. */
function ask(model, what) {
  return new Promise((done) => {
    const take = (content, buffers) => {
      if (content.answer !== what) return;
      model.off("msg:custom", take);
      done({ content, buffers });
    };
    model.on("msg:custom", take);
    model.send({ ask: what });
  });
}

/** The lab's script is a classic one, as in the static page: it leaves `DrocoLab` behind. */
async function script(model) {
  if (globalThis.DrocoLab) return;
  const { buffers } = await ask(model, "script");
  const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
  await new Promise((done, failed) => {
    const tag = document.createElement("script");
    Object.assign(tag, { src: url, onload: done, onerror: () => failed(new Error("no script")) });
    document.head.append(tag);
  });
  URL.revokeObjectURL(url);
}

const facts = async (model, what) =>
  JSON.parse(new TextDecoder().decode((await ask(model, what)).buffers[0]));

async function render({ model, el }) {
  el.textContent = "Loading MuJoCo and the policies…";
  try {
    await script(model);
    const robot = await facts(model, "robot");
    Object.assign(robot.policies, await facts(model, "policies"));
    el.textContent = "";
    const stage = document.createElement("div");
    el.append(stage);
    const settings = Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)]));
    const lab = await DrocoLab.mount(stage, robot, {
      views: model.get("views"),
      settings: { ...settings, policies: model.get("racing") },
      changed: (changes) => {
        for (const [name, value] of Object.entries(changes))
          model.set(name === "policies" ? "racing" : name, value);
        model.save_changes();
      },
    });
    el.lab = lab;
    const tell = () => lab.race?.apply(
      Object.fromEntries(SETTINGS.filter((name) => name in model.changedAttributes())
        .map((name) => [name, model.get(name)])), false);
    model.on("change", tell);
    const renew = async () => {
      for (const [name, policy] of Object.entries(await facts(model, "policies")))
        lab.addPolicy(name, policy);
      lab.race?.apply({ policies: model.get("racing") }, false);
    };
    model.on("change:racing", renew);
    model.on("change:version", renew);
    return () => {
      model.off("change", tell);
      model.off("change:racing", renew);
      model.off("change:version", renew);
      lab.dispose();
    };
  } catch (error) {
    el.textContent = `The live lab could not start here: ${error.message}`;
  }
}

export default { render };
