"""The viewer for a reader's own robot, in Chromium from the disk with the network cut off."""

from __future__ import annotations

import pytest

from book.live_lab import own_block, written_file
from tests.live.lab_page import ROOT, in_chromium, opened

pytestmark = in_chromium

MESH = """<mujoco><compiler meshdir="assets"/>
<asset><mesh name="a" file="wedge.obj"/><mesh name="b" file="lid.stl"/></asset>
<worldbody><body name="box"><joint name="lid" range="-10 20"/><geom type="mesh" mesh="a"/>
</body></worldbody></mujoco>"""
WEDGE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


@pytest.fixture
def crawler():
    return written_file(ROOT / "book/bring_your_own_robot.ipynb", "crawler.xml")


def files(**texts):
    return [
        {"name": name.replace("_", "."), "mimeType": "text/plain", "buffer": text.encode()}
        for name, text in texts.items()
    ]


def test_the_chapters_robot_runs_and_its_joints_are_named(browser, site, crawler):
    with opened(browser, site, content=own_block(crawler, static="")) as page:
        page.get_by_role("status").filter(has_text="crawler.xml: 3 bodies, 5 joints").wait_for()
        names = page.locator(".droco-lab-table tbody th").all_inner_texts()
        assert names == ["x", "z", "pitch", "shoulder", "elbow"]
        row = page.get_by_role("row", name="shoulder")
        assert "−60° to 60°" in row.inner_text()
        page.wait_for_function("lab.own.data.time > 0.2")
        # Started at the file's keyframe, where both arm joints are bent.
        page.get_by_role("button", name="Pause").press("Enter")
        page.get_by_role("button", name="Reset").press("Enter")
        assert page.evaluate("lab.own.data.qpos[4]") == pytest.approx(0.3)
        slider = page.get_by_role("slider", name="shoulder")
        slider.press("End")
        assert page.evaluate("lab.own.data.ctrl[0]") == 1


def test_a_push_by_keyboard_moves_it(browser, site, crawler):
    with opened(browser, site, content=own_block(crawler, static="")) as page:
        page.evaluate("lab.own.toggle(false); lab.own.reset()")
        view = page.get_by_role("img", name="The robot of crawler.xml")
        steps = "for (let i = 0; i < {}; i++) lab.own.step()".format
        place, speed = "lab.own.data.qpos[0]", "lab.own.data.qvel[0]"
        page.evaluate(steps(100))  # it comes to rest
        began = page.evaluate(place)
        view.press("ArrowRight")
        page.evaluate(steps(5))
        assert 0.5 < page.evaluate(speed) < 1.1
        page.evaluate(steps(500))
        assert page.evaluate(place) - began == pytest.approx(0.22, abs=0.03)  # as the chapter says
        assert page.evaluate("lab.own.data.xfrc_applied.every((x) => x === 0)")
        before = page.evaluate("lab.own.camera.azimuth")
        view.press("d")
        assert page.evaluate("lab.own.camera.azimuth") != before


def test_what_cannot_be_used_is_said_in_a_sentence(browser, site, crawler):
    with opened(browser, site, content=own_block(crawler, static="")) as page:
        field = page.get_by_label("Your MuJoCo XML file")
        status = page.locator(".droco-lab-status")
        for given, words in (
            (files(arm_xml=MESH), "arm.xml needs wedge.obj, lid.stl, which were not given."),
            (files(arm_xml="hello"), "arm.xml is not well-formed XML (line 1)."),
            (files(arm_png="x"), "Choose a MuJoCo model"),
            (files(arm_xml="<mujoco><worldbody><geom type='bx'/></worldbody></mujoco>"), "'bx'"),
        ):
            field.set_input_files(given)
            status.filter(has_text=words).wait_for()
            assert page.evaluate("lab.own.name") == "crawler.xml"  # it stays


def test_a_model_comes_with_its_meshes(browser, site, crawler):
    alone = MESH.replace('<mesh name="b" file="lid.stl"/>', "")
    with opened(browser, site, content=own_block(None, static="")) as page:
        field = page.get_by_label("Your MuJoCo XML file")
        field.set_input_files(files(arm_xml=alone, wedge_obj=WEDGE))
        page.get_by_role("status").filter(has_text="arm.xml: 1 body, 1 joint, 0 motors").wait_for()
        drawn = """(() => { const c = lab.own.canvas, pen = c.getContext('2d');
            return pen.getImageData(0, 0, c.width, c.height).data.some((v) => v); })()"""
        assert page.evaluate(drawn)


def test_a_file_can_be_dropped(browser, site, crawler):
    with opened(browser, site, content=own_block(None, static="")) as page:
        page.evaluate(
            """(xml) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([xml], 'dropped.xml'));
            document.querySelector('.droco-lab-drop').dispatchEvent(
              new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
            }""",
            crawler[1],
        )
        page.get_by_role("status").filter(has_text="dropped.xml: 3 bodies").wait_for()


def test_a_simulation_that_breaks_is_stopped(browser, site):
    wild = """<mujoco><option timestep="1"/><worldbody><body><joint type="hinge" stiffness="1e9"/>
    <geom size=".1" pos="1 0 0"/></body></worldbody><actuator/><keyframe><key qpos="1"/></keyframe>
    </mujoco>"""
    with opened(browser, site, content=own_block(("wild.xml", wild), static="")) as page:
        page.get_by_role("status").filter(has_text="unstable").wait_for()
        page.get_by_role("button", name="Run", exact=True).wait_for()


@pytest.mark.parametrize("width", [390, 900])
def test_nothing_is_wider_than_the_screen(browser, site, width, crawler):
    with opened(browser, site, width=width, content=own_block(crawler, static="")) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_chapter_that_writes_no_such_file_is_named():
    with pytest.raises(ValueError, match="intro"):
        written_file(ROOT / "book/intro.ipynb", "crawler.xml")
