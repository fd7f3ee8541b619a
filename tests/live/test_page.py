"""The live lab in Chromium, from the disk, with the network cut off."""

from __future__ import annotations

import base64
import json

import pytest

from book import live_lab
from book.live_lab import WITHOUT_NPM, block
from droco_lite.data.behaviour import load_behaviour
from droco_lite.robots import Shift, make_model, rollout
from tests.live.lab_page import PAGE, in_chromium, opened

MEDIUM, SOURCE = "behaviour-target-medium", "behaviour-source-medium"

pytestmark = in_chromium


def step(page) -> int:
    return page.evaluate("lab.race.session.racers[0].first.step")


def test_nothing_of_the_lab_is_read_before_the_press(browser, site):
    with opened(browser, site, press=False) as page:
        page.wait_for_timeout(300)
        names = {url.rpartition("/")[2] for url in page.asked}
        index = json.loads((site / "clips/walker2d.json").read_text(encoding="utf-8"))
        *_others, first, _second, _third, last = index["clips"]  # of the largest β
        assert names <= {"page.html", "book.css", "live_lab.js", first["clip"]}
        page.get_by_label("Strength").select_option(last["at"]["strength"])
        assert page.get_by_role("img").get_attribute("src") == f"clips/{last['clip']}"
        assert page.get_by_role("img").get_attribute("alt") == last["said"]
        page.get_by_role("button", name="Stop the clip").press("Enter")
        assert page.get_by_role("img").get_attribute("src") == f"clips/{last['still']}"
        page.get_by_role("button", name="Play the clip").press("Enter")
        assert page.get_by_role("img").get_attribute("src") == f"clips/{last['clip']}"


def test_the_clips_offer_the_betas_that_exist_with_every_seeds_return(browser, site):
    index = json.loads((site / "clips/walker2d.json").read_text(encoding="utf-8"))
    options = [option["value"] for option in index["axes"]["policy"]["options"]]
    with opened(browser, site, press=False) as page:
        beta = page.get_by_label("β")
        assert beta.locator("option").evaluate_all("o => o.map((x) => x.value)") == options
        beta.select_option(options[-1])
        shown = next(
            clip for clip in index["clips"]
            if clip["at"] == {"policy": options[-1], "strength": "0"}
        )  # fmt: skip
        assert page.get_by_role("img").get_attribute("alt") == shown["said"]
        assert page.locator(".droco-lab-dots circle").count() == len(shown["returns"]) > 0
        assert "return of" in page.locator(".droco-lab-dots p").inner_text()


def test_the_robots_move_and_pause_by_keyboard(browser, site):
    with opened(browser, site, policies=[MEDIUM, SOURCE]) as page:
        assert page.ran
        page.get_by_role("button", name="Run", exact=True).press("Enter")
        page.wait_for_function("lab.race.session.racers[0].first.step > 20")
        pause = page.get_by_role("button", name="Pause")
        pause.focus()
        page.keyboard.press("Enter")
        before = step(page)
        page.wait_for_timeout(200)
        assert step(page) == before
        page.get_by_role("button", name="Step", exact=True).press("Enter")
        assert step(page) == before + 1
        page.get_by_role("img", name="Walker2d robots running").focus()
        page.keyboard.press("r")
        assert step(page) == 0
        page.keyboard.press(" ")
        page.wait_for_function("lab.race.session.racers[0].first.step > 5")


def test_a_heavy_robot_falls_where_python_says(browser, site):
    expected = rollout(
        "walker2d", ["gravity-up-0.5"], load_behaviour("walker2d"), episodes=1, seed=2
    ).lengths[0, 0]
    with opened(browser, site, policies=[MEDIUM]) as page:
        page.get_by_role("spinbutton", name="Start").fill("2")
        page.keyboard.press("Tab")
        page.evaluate("lab.race.apply({gravity: 0.5})")
        page.get_by_label("Speed").select_option("10")
        page.get_by_role("button", name="Run", exact=True).press("Enter")
        page.wait_for_function("lab.race.session.over")
        assert abs(step(page) - expected) <= 2
        page.get_by_role("status").filter(has_text=f"fell at step {step(page)}").wait_for()
        page.get_by_role("button", name="Again").wait_for()


def test_every_slider_moves_by_keyboard_and_changes_the_robot(browser, site):
    with opened(browser, site, policies=[MEDIUM], shift="kinematic-footjnt-easy") as page:
        strength = page.get_by_role("slider", name="Strength")
        assert strength.get_attribute("aria-valuetext") == "0.33, easy"
        was = page.evaluate("Array.from(lab.race.session.owner.model.jnt_range)")
        strength.press("End")
        assert strength.get_attribute("aria-valuetext") == "1.33"
        assert page.evaluate("Array.from(lab.race.session.owner.model.jnt_range)") != was
        for name, expression in (
            ("Gravity", "lab.race.session.owner.model.opt.gravity[2]"),
            ("Friction", "lab.race.session.owner.model.geom_friction[0]"),
            ("Noise on observations", "lab.race.settings.noise"),
            ("Min-Q attack", "lab.race.settings.attack"),
        ):
            before = page.evaluate(expression)
            slider = page.get_by_label(name)
            words = slider.get_attribute("aria-valuetext")
            slider.press("ArrowRight")
            assert page.evaluate(expression) != before, name
            assert slider.get_attribute("aria-valuetext") != words
        page.get_by_label("What is worn").select_option("morph/torso")
        assert page.evaluate("lab.race.changedGeoms().length") == 1


def test_a_push_by_key_and_by_pointer(browser, site):
    with opened(browser, site, policies=[MEDIUM]) as page:
        view = page.get_by_role("img", name="Walker2d robots running")
        speed = "lab.race.session.racers[0].first.data.qvel[0]"
        before = page.evaluate(speed)
        view.press("ArrowRight")
        assert page.evaluate(speed) == pytest.approx(before + 1)
        box = view.bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 180, box["y"] + 60)
        page.mouse.up()
        assert page.evaluate(speed) == pytest.approx(before - 1, abs=0.05)


def test_a_finger_pushes_the_robots_away(browser, site):
    with opened(browser, site, policies=[MEDIUM], width=390, touch=True) as page:
        view = page.get_by_role("img", name="Walker2d robots running")
        box = view.bounding_box()
        speed = "lab.race.session.racers[0].first.data.qvel[0]"
        before = page.evaluate(speed)
        for share, change in ((0.8, -1), (0.1, 0)):
            page.touchscreen.tap(box["x"] + share * box["width"], box["y"] + 60)
            assert page.evaluate(speed) == pytest.approx(before + change)
        page.get_by_role("status").filter(has_text="Pushed forward by 1.0 m/s").wait_for()
        page.get_by_role("button", name="Step", exact=True).tap()
        assert step(page) == 1


def test_a_swarm_falls_one_by_one(browser, site):
    with opened(browser, site, policies=[MEDIUM]) as page:
        page.evaluate("lab.race.apply({gravity: 0.6})")
        page.get_by_label("Swarm of 30").press(" ")
        page.get_by_label("Speed").select_option("10")
        page.get_by_role("button", name="Run", exact=True).press("Enter")
        page.wait_for_function("lab.race.session.events.length >= 5")
        assert page.evaluate("lab.race.session.racers[0].robots.length") == 30
        page.get_by_role("status").filter(has_text="of 30 have fallen").wait_for()


def test_beta_changes_the_policy_of_one_lane(browser, site):
    with opened(browser, site, policies=["droco-1", "iql_target"]) as page:
        along = page.evaluate(
            """Object.values(lab.race.facts.policies).map((p) => p.alongBeta)
            .filter((beta) => beta !== undefined).sort()"""
        )
        beta = page.get_by_role("slider", name="β of DROCO")
        assert beta.get_attribute("aria-valuetext") == "1"
        beta.press("Home")
        assert beta.get_attribute("aria-valuetext") == "0, which is IQL*"
        assert page.evaluate("lab.race.settings.policies") == ["iql", "iql_target"]
        for value in along[1:]:
            beta.press("ArrowRight")
            assert page.evaluate("lab.race.settings.policies") == [f"droco-{value:g}", "iql_target"]
        # A box does what the slider does, and the slider follows it.
        for name in ("droco-0.5", "droco-1"):
            page.locator(f"[type=checkbox][value='{name}']").press(" ")
        assert beta.get_attribute("aria-valuetext") == "0.5"
        page.get_by_role("row", name="DROCO β = 0.5").wait_for()


@pytest.mark.parametrize("strength", [0.43, 0.7, 1 / 3])
def test_any_hundredth_of_strength_is_pythons_robot(browser, site, strength):
    wanted = make_model("walker2d", Shift("kinematic", "footjnt", strength)).jnt_range.ravel()
    with opened(browser, site, policies=[MEDIUM], shift="kinematic-footjnt-easy") as page:
        page.get_by_role("slider", name="Strength").fill(f"{strength:.2f}")
        page.get_by_role("slider", name="Strength").dispatch_event("input")
        got = page.evaluate("Array.from(lab.race.session.owner.model.jnt_range)")
        assert got == wanted.tolist()


def test_a_start_that_there_is_not_becomes_the_nearest(browser, site):
    with opened(browser, site, policies=[MEDIUM]) as page:
        field = page.get_by_role("spinbutton", name="Start")
        for given, taken in (("99", "29"), ("-4", "0"), ("", "0"), ("7", "7")):
            field.fill(given)
            field.press("Tab")
            assert field.input_value() == taken
            page.get_by_role("button", name="Reset").press("Enter")
            page.get_by_role("button", name="Step", exact=True).press("Enter")
            assert step(page) == 1


def test_an_attack_on_a_policy_without_critics_is_called_none(browser, site):
    with opened(browser, site, policies=[MEDIUM, "droco-1"]) as page:
        page.get_by_label("Min-Q attack").press("End")
        said = page.get_by_role("status").filter(has_text="Not attacked").inner_text()
        assert "behaviour of the target, medium" in said
        assert "DROCO" not in said


def test_two_labs_stand_on_one_page(browser, site):
    both = block("walker2d", static="", policies=[MEDIUM])
    both += block("walker2d", static="", policies=[SOURCE])
    with opened(browser, site, content=both) as page:
        page.locator(".droco-lab-start").nth(1).press("Enter")
        page.wait_for_function("document.querySelectorAll('.droco-lab')[1].lab")
        names = [url.rpartition("/")[2] for url in page.asked]
        assert names.count("lab.js") == names.count("lab-walker2d.js") == 1
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))
        page.evaluate("void (globalThis.other = document.querySelectorAll('.droco-lab')[1].lab)")
        page.evaluate("other.race.toggle(false); other.race.reset()")
        page.get_by_role("button", name="Step", exact=True).nth(1).press("Enter")
        page.get_by_label("Gravity").nth(1).press("End")
        assert step(page) == 0
        assert page.evaluate("other.race.session.racers[0].first.step") == 1
        gravity = [page.evaluate(f"{name}.race.settings.gravity") for name in ("lab", "other")]
        assert gravity == [0, 1]


def test_print_shows_a_still_and_no_button(browser, site):
    index = json.loads((site / "clips/walker2d.json").read_text(encoding="utf-8"))
    still = index["clips"][-4]["still"]
    with opened(browser, site, press=False) as page:
        page.emulate_media(media="print")
        page.wait_for_function(
            "name => document.querySelector('.droco-lab-clips img').currentSrc.endsWith(name)",
            arg=still,
        )
        assert not page.get_by_role("button", name="Run live").is_visible()
        assert page.locator("figcaption").is_visible()


def test_the_picture_follows_the_theme_while_it_stands(browser, site):
    pixels = """(() => { const { canvas } = lab.race; const { width, height } = canvas;
        return canvas.getContext('2d').getImageData(0, 0, width, height).data.join(); })()"""
    with opened(browser, site, policies=[MEDIUM]) as page:
        light = page.evaluate(pixels)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function(f"(light) => {pixels} !== light", arg=light)


def test_ant_takes_the_walkers_place(browser, site):
    content = block("walker2d", static="", policies=["behaviour-target-expert"], robots=["ant"])
    with opened(browser, site, content=content, press=False) as page:
        choice = page.get_by_role("combobox", name="Robot")
        page.wait_for_timeout(300)
        assert not [url for url in page.asked if "ant" in url.rpartition("/")[2]]
        choice.select_option("ant")
        assert "ant-" in page.get_by_role("img").get_attribute("src")
        page.get_by_role("button", name="Run live").press("Enter")
        page.get_by_role("img", name="Ant robots running").wait_for()
        page.evaluate("void (globalThis.lab = document.querySelector('.droco-lab').lab)")
        assert page.evaluate("lab.race.settings.policies") == ["behaviour-target-expert"]
        page.evaluate("lab.race.toggle(false); lab.race.reset()")
        speed = "Array.from(lab.race.session.racers[0].first.data.qvel)"
        before = page.evaluate(speed)
        view = page.get_by_role("img", name="Ant robots running")
        view.press("ArrowRight")
        after = page.evaluate(speed)
        assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx([1] + [0] * 13)
        for _ in range(20):
            view.press("s")
        assert step(page) == 20
        # And back, without a second press.
        choice.select_option("walker2d")
        page.get_by_role("img", name="Walker2d robots running").wait_for()
        assert not page.locator(".droco-lab-fallback").is_visible()


def test_less_motion_waits_for_the_reader(browser, site):
    with opened(browser, site, policies=[MEDIUM], motion="reduce") as page:
        assert not page.ran
        page.get_by_role("button", name="Run", exact=True).press("Enter")
        page.wait_for_function("lab.race.session.racers[0].first.step > 3")


@pytest.mark.parametrize("width", [390, 900])
def test_nothing_is_wider_than_the_screen(browser, site, width):
    with opened(browser, site, width=width, policies=[MEDIUM, SOURCE]) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(browser, site):
    with opened(browser, site) as page:
        nameless = page.evaluate(
            """[...document.querySelectorAll('.droco-lab :is(button, input, select, canvas)')]
            .filter(e => !(e.textContent.trim() && e.tagName !== 'SELECT') && !e.labels?.length
              && !e.ariaLabel).map(e => e.outerHTML)"""
        )
        assert nameless == ["<canvas>"] or nameless == [], nameless


def test_a_failure_is_said_in_a_sentence(browser, site):
    (site / "lab-hopper.js").unlink(missing_ok=True)
    content = block("hopper", static="")
    (site / "page.html").write_text(PAGE.format(block=content), encoding="utf-8")
    page = browser.new_page()
    page.goto((site / "page.html").as_uri())
    page.get_by_role("button", name="Run live").click()
    page.get_by_role("status").filter(has_text="lab-hopper.js could not be read").wait_for()
    assert page.get_by_role("button", name="Run live").is_enabled()
    page.close()


@pytest.mark.parametrize(
    ("missing", "words"),
    [("WebAssembly", "no WebAssembly"), ("DecompressionStream", "too old")],
)
def test_a_browser_that_cannot_run_it_is_told_so(browser, site, missing, words):
    page = browser.new_page()
    page.add_init_script(f"delete globalThis.{missing}")
    (site / "page.html").write_text(PAGE.format(block=block("walker2d", static="")), "utf-8")
    page.goto((site / "page.html").as_uri())
    page.get_by_role("button", name="Run live").click()
    page.get_by_role("status").filter(has_text=words).wait_for()
    assert page.locator(".droco-lab-clips img").is_visible()
    page.close()


def test_without_npm_the_page_says_so():
    content = block("walker2d", static="", built=False)
    assert WITHOUT_NPM in content
    assert "<button" not in content
    assert "<img" in content
    with pytest.raises(ValueError, match="tower"):
        block("walker2d", static="", views=["tower"])
    with pytest.raises(ValueError, match="walker2d, halfcheetah, hopper, ant, not 'reacher'"):
        block("walker2d", static="", robots=["reacher"])
    options = content.partition('data-options="')[2].partition('"')[0]
    assert json.loads(options.replace("&quot;", '"'))["views"] == ["race"]


def test_the_page_says_how_much_it_will_load(tmp_path, monkeypatch):
    monkeypatch.setattr(live_lab, "HERE", tmp_path)
    assert live_lab.megabytes("lab.js") == "some megabytes"
    (tmp_path / "vendor").mkdir()
    for name, size in (("lab.js", 3_600_000), ("lab-hopper.js", 6_100_000)):
        (tmp_path / "vendor" / name).write_bytes(bytes(size))
    assert live_lab.megabytes("lab.js", "lab-hopper.js") == "about 10 MB"


# The kernel's half, as far as the page can tell: traits, and answers to what it asks for.
KERNEL = """
const traits = TRAITS, files = FILES, listeners = {};
const bytes = (text) => {
  const read = atob(text), made = new Uint8Array(read.length);
  for (let i = 0; i < read.length; i++) made[i] = read.charCodeAt(i);
  return new DataView(made.buffer);
};
const fire = (event, ...rest) => (listeners[event] ?? []).forEach((f) => f(...rest));
globalThis.model = {
  changed: {},
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; },
  save_changes: () => {},
  changedAttributes() { return this.changed; },
  on: (event, f) => (listeners[event] ??= []).push(f),
  off: (event, f) => { listeners[event] = (listeners[event] ?? []).filter((g) => g !== f); },
  send: ({ ask }) => setTimeout(() => fire("msg:custom", { answer: ask }, [bytes(files[ask])])),
  moved(name, value) {
    traits[name] = value;
    this.changed = { [name]: value };
    fire("change");
  },
};
globalThis.traits = traits;
"""


def test_the_widget_in_a_notebook(browser, site):
    from droco_lite.live import widget

    made = widget.Lab.__new__(widget.Lab)  # without a script of its own: the site's is taken
    source = (widget._HERE / "widget.js").read_text(encoding="utf-8")
    facts = (site / "lab-walker2d.js").read_text(encoding="utf-8").partition(" = ")[2]
    files = {
        "script": (site / "lab.js").read_bytes(), "robot": facts.rstrip().rstrip(";").encode(),
        "policies": b"{}",
    }  # fmt: skip
    traits = {name: trait.default() for name, trait in type(made).class_traits(sync=True).items()}
    traits = {n: v for n, v in traits.items() if isinstance(v, (int, float, str, list))}
    traits["racing"], traits["views"] = [MEDIUM], ["race"]
    encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
    kernel = KERNEL.replace("TRAITS", json.dumps(traits)).replace("FILES", json.dumps(encoded))
    start = source.replace("export default { render };", "render({ model, el: document.body });")
    page = browser.new_page()
    html = f"<html><body></body></html><script>{kernel}</script>"
    (site / "widget.html").write_text(html, encoding="utf-8")
    page.goto((site / "widget.html").as_uri())
    page.add_script_tag(content=start, type="module")
    page.wait_for_function("document.body.lab")
    page.evaluate("globalThis.lab = document.body.lab; lab.race.toggle(false)")
    page.evaluate("model.moved('gravity', 0.5)")
    assert page.evaluate("lab.race.session.owner.model.opt.gravity[2]") < -20
    page.get_by_label("Friction").press("ArrowLeft")
    assert page.evaluate("traits.friction") == pytest.approx(-0.01)
    page.close()
