"""The directive that places the live lab in a page.

::

    ```{live-lab} walker2d
    :views: race, ghosts
    :policies: iql, droco-0.5
    :shift: kinematic-footjnt-hard
    :robots: hopper, ant
    ```

``:robots:`` names others that the reader may take instead.

``{live-lab} own`` is a viewer for a robot of the reader's own: a MuJoCo file from the reader's
disk, or, to begin with, the one that a cell of the chapter writes (``:example: crawler.xml``).

A page with races first shows pre-rendered clips; the lab's scripts, several megabytes, are loaded
when the reader presses *Run live*. Where the book was built without npm there is no button, and a
sentence says why.
"""

from __future__ import annotations

import html
import json
import sys
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

#: Views that a page may ask for.
VIEWS = ("race", "ghosts")
SCRIPT = "live_lab.js"
#: Where a link finds the first lab of a page.
LAB_ID = "live-lab"
WITHOUT_NPM = (
    "This copy of the book was built without npm, so the live lab is not in it; "
    "with npm at hand, make book adds it."
)


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def block(
    robot: str,
    *,
    static: str,
    views: list[str] | None = None,
    policies: list[str] | None = None,
    shift: str = "",
    robots: list[str] | None = None,
    built: bool = True,
) -> str:
    """The HTML of one lab.

    Args:
        robot: name in ``LAB_ROBOTS``.
        static: path of the site's static files as seen from the page, with a slash at its end.
        views: some of :data:`VIEWS`; a race alone by default.
        policies: names within the robot's file, of those that race first.
        shift: the shift to begin with, such as ``"kinematic-footjnt-hard"``; nominal by default.
        robots: others that the reader may choose, each with its first policies and no shift.
        built: whether the site holds the lab's scripts.

    Raises:
        ValueError: an unknown view or robot.
    """
    from droco_lite.live.export import LAB_ROBOTS

    views = views or ["race"]
    offered = [robot, *(robots or [])]
    for name in offered:
        if name not in LAB_ROBOTS:
            raise ValueError(f"live-lab: the lab has {', '.join(LAB_ROBOTS)}, not {name!r}")
    for view in views:
        if view not in VIEWS:
            raise ValueError(f"live-lab: view {view!r} is not one of {', '.join(VIEWS)}")
    settings = {"policies": policies} if policies else {}
    if shift and shift != "nominal":
        from droco_lite.robots import Shift

        asked = Shift.parse(shift)
        settings |= {
            "family": asked.family, "variant": asked.variant, "strength": asked.strength
        }  # fmt: skip
    notes = {
        name: "MuJoCo and the trained policies in this page: "
        f"{megabytes('lab.js', f'lab-{name}.js')}, no kernel, no network."
        for name in offered
    }
    options = {"robot": robot, "views": views, "settings": settings}
    shown = offered if "race" in views else []  # the clips are of races
    fallback = "".join(clips(name, static, hidden=name != robot) for name in shown)
    above = ""
    if len(offered) > 1:
        options["notes"], above = notes, choice_of(offered)
    return framed(options, static, fallback, "Run live", notes[robot], built, above)


def choice_of(robots: list[str]) -> str:
    """A list to choose the robot from."""
    from droco_lite.robots import get_robot

    options = "".join(
        f'<option value="{name}">{get_robot(name).gym_id.partition("-")[0]}</option>'
        for name in robots
    )
    return (
        '<p class="droco-lab-press droco-lab-robot"><label>Robot '
        f"<select>{options}</select></label></p>"
    )


def own_block(example: tuple[str, str] | None, *, static: str, built: bool = True) -> str:
    """The HTML of the viewer for a reader's own robot.

    Args:
        example: name and text of the MuJoCo file that it begins with.
        static, built: as in :func:`block`.
    """
    from droco_lite.figures.colors import COLORS

    own = {"color": COLORS["target"]}
    if example:
        own["example"] = dict(zip(("name", "xml"), example, strict=True))
    size = megabytes("lab.js")
    note = f"MuJoCo in this page: {size}, no kernel, no network; your file stays with you."
    return framed({"own": own}, static, "", "Open the viewer", note, built)


def megabytes(*names: str) -> str:
    """How much the reader's browser loads at the press of the button, in words."""
    paths = [HERE / "vendor" / name for name in names]
    if not all(path.is_file() for path in paths):
        return "some megabytes"
    return f"about {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB"


def framed(
    options: dict, static: str, fallback: str, button: str, note: str, built: bool, above: str = ""
) -> str:
    """What stands around every lab: its fallback, its button, and the place that it fills."""
    options = html.escape(json.dumps(options))
    start = (
        f'<button type="button" class="droco-lab-start">{button}</button>'
        f'<span class="droco-lab-note">{note}</span>'
        if built
        else f'<span class="droco-lab-note">{WITHOUT_NPM}</span>'
    )
    return (
        f'<div class="droco-lab" data-static="{static}" data-options="{options}">'
        f'{above}<div class="droco-lab-fallback">{fallback}</div>'
        f'<p class="droco-lab-press droco-lab-begin">{start}</p>'
        '<p class="droco-lab-said" role="status"></p>'
        '<div class="droco-lab-stage"></div></div>'
    )


def clips(robot: str, static: str, *, hidden: bool = False) -> str:
    """The pre-rendered clips of a robot, or nothing where there are none."""
    index = HERE / "_static" / "clips" / f"{robot}.json"
    if not index.is_file():
        return ""
    facts = json.loads(index.read_text(encoding="utf-8"))
    shown = html.escape(json.dumps({name: facts[name] for name in ("axes", "clips")}))
    folder = f"{static}clips/"
    # It begins with the last policy, DROCO at its largest β, on the sound robot.
    begin = {name: axis["options"][0]["value"] for name, axis in facts["axes"].items()}
    begin["policy"] = facts["axes"]["policy"]["options"][-1]["value"]
    first = next(clip for clip in facts["clips"] if clip["at"] == begin)
    said = html.escape(first["said"])
    picture = (
        f'<picture><source media="print, (prefers-reduced-motion: reduce)" '
        f'srcset="{folder}{first["still"]}">'
        f'<img src="{folder}{first["clip"]}" alt="{said}" width="{facts["width"]}" '
        f'height="{facts["height"]}" loading="lazy"></picture>'
    )
    return (
        f'<figure class="droco-lab-clips" {"hidden " * hidden}data-robot="{robot}" '
        f'data-clips="{shown}" data-folder="{folder}">{picture}'
        f"<figcaption>{said}</figcaption></figure>"
    )


class LiveLab(Directive):
    """``live-lab``: see the module's docstring."""

    required_arguments = 1
    option_spec: ClassVar = {
        "views": directives.unchanged, "policies": directives.unchanged,
        "shift": directives.unchanged, "example": directives.unchanged,
        "robots": directives.unchanged,
    }  # fmt: skip

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        static = "../" * env.docname.count("/") + "_static/"
        # The page is written anew when these change: the block and the clips stand in it.
        robots = split(self.options.get("robots", ""))
        indices = [
            HERE / "_static" / "clips" / f"{name}.json" for name in (self.arguments[0], *robots)
        ]
        for path in filter(Path.is_file, (Path(__file__), *indices)):
            env.note_dependency(str(path))
        try:
            if self.arguments[0] == "own":
                example = self.options.get("example", "")
                content = own_block(
                    written_file(Path(env.doc2path(env.docname)), example) if example else None,
                    static=static, built=lab_is_built(),
                )  # fmt: skip
                return [nodes.raw("", self._place(env) + content, format="html")]
            content = block(
                self.arguments[0], static=static, views=split(self.options.get("views", "")),
                policies=split(self.options.get("policies", "")),
                shift=self.options.get("shift", ""), robots=robots, built=lab_is_built(),
            )  # fmt: skip
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", self._place(env) + content, format="html")]

    @staticmethod
    def _place(env) -> str:
        """Where a link finds the page's first lab."""
        first = not env.temp_data.get(LAB_ID)
        env.temp_data[LAB_ID] = True
        return f'<span id="{LAB_ID}"></span>' if first else ""


def written_file(chapter: Path, name: str) -> tuple[str, str]:
    """A file that a chapter writes with ``%%writefile``: its name and text.

    Raises:
        ValueError: no cell of the chapter writes it.
    """
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        first, _, text = "".join(cell["source"]).partition("\n")
        if first.split() == ["%%writefile", name]:
            return name, text
    raise ValueError(f"live-lab: no cell of {chapter.name} writes {name}")


def lab_is_built() -> bool:
    """Whether ``book/assets.py`` has laid the lab's scripts out for the site."""
    from droco_lite.live.export import LAB_ROBOTS

    names = ("lab.js", *(f"lab-{robot}.js" for robot in LAB_ROBOTS))
    return all((HERE / "vendor" / name).is_file() for name in names)


def add_script(app, page: str, template: str, context: dict, doctree) -> None:
    """The small script behind *Run live* goes only where there is a lab."""
    if "droco-lab-fallback" in context.get("body", ""):
        app.add_js_file(SCRIPT)


def setup(app) -> dict[str, bool]:
    app.add_directive("live-lab", LiveLab)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
