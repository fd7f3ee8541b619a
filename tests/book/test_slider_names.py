"""Sliders of ipywidgets 7, as Colab shows them, say name, place and value to screen readers."""

import shutil

import axe
import pytest

from droco_lite.figures.naming import SCRIPT
from tests.chromium import CHROMIUM

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not shutil.which("npm"), reason="no npm: axe-core comes from there"),
]

#: A SelectionSlider of seven places on its third, as widgetsnbextension 3.6.10 draws it. Its handle
#: comes from jQuery UI, which gives it no role, no name and no number.
SLIDER = """
<div class="widget-inline-hbox widget-slider widget-hslider jupyter-widgets">
  <label class="widget-label" title="beta" style="display: block">beta</label>
  <div class="slider-container">
    <div class="slider ui-slider ui-corner-all ui-slider-horizontal ui-widget ui-widget-content">
      <span tabindex="0" class="ui-slider-handle ui-corner-all ui-state-default"
            style="left: 33.3333%; display: block; width: 24px; height: 24px"></span>
    </div>
  </div>
  <div class="widget-readout" style="display: block">0.5</div>
</div>
"""
PAGE = f"""<!doctype html><html lang="en"><head><title>One slider</title></head>
<body><main><h1>One slider</h1><div id="output">{{inside}}</div></main>
<template>{SLIDER}</template></body></html>"""


@pytest.fixture
def page(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture(params=["before", "after"])
def handle(page, request):
    """The handle, on the page before the script or drawn after it."""
    page.set_content(PAGE.format(inside=SLIDER if request.param == "before" else ""))
    page.add_script_tag(content=SCRIPT)
    if request.param == "after":
        page.evaluate("output.append(document.querySelector('template').content)")
    handle = page.locator("#output .ui-slider-handle")
    handle.and_(page.locator("[role=slider]")).wait_for()
    return handle


def said(handle) -> dict[str, str]:
    names = ("label", "valuemin", "valuemax", "valuenow", "valuetext")
    return {name: handle.get_attribute(f"aria-{name}") for name in names}


def test_a_handle_says_where_it_stands_and_where_it_was_moved_to(handle, page):
    rest = {"label": "beta", "valuemin": "0", "valuemax": "100"}
    assert said(handle) == {**rest, "valuenow": "33", "valuetext": "0.5"}
    page.evaluate("""() => {
      document.querySelector("#output .ui-slider-handle").style.left = "100%";
      document.querySelector("#output .widget-readout").textContent = "10";
    }""")
    page.wait_for_timeout(100)
    assert said(handle) == {**rest, "valuenow": "100", "valuetext": "10"}


def test_nothing_stands_in_a_readers_way(handle, page):
    assert axe.broken(page) == []


def test_without_the_script_the_checker_finds_the_slider(page):
    """So that the test above says something."""
    page.set_content(PAGE.format(inside=SLIDER.replace("<span ", '<span role="slider" ')))
    assert {found.partition(":")[0] for found in axe.broken(page)} >= {
        "aria-required-attr",
        "aria-input-field-name",
    }
