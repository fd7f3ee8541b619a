"""What a built page loads besides itself: from this site where it was fetched, else from a CDN.

``python book/assets.py`` lays MathJax, the widget script with its icon fonts and plotly.js (by npm)
and the live lab's scripts into ``book/vendor``. As a Sphinx extension, this file then points the
pages at whatever is there; a site built with all of them asks no other host for anything.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from droco_lite.figures.naming import SCRIPT
from droco_lite.files import atomic_file

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "book/vendor"

# npm package: {file in it: name in book/vendor}. The widget script takes its fonts from beside it.
PACKAGES = {
    "@jupyter-widgets/html-manager@1.0.15": {"package/dist/embed.js": "embed.js"},
    "mathjax@3.2.2": {"package/es5/tex-svg.js": "tex-svg.js"},
    # Lines, bars and heat maps: a third of all of plotly.js.
    "plotly.js-cartesian-dist-min@4.1.1": {"package/plotly-cartesian.min.js": "plotly.min.js"},
}
# What npm's registry says of each archive; another archive under its name is refused.
INTEGRITY = {
    "jupyter-widgets-html-manager-1.0.15.tgz": "sha512-5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVz"
    "RhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
    "mathjax-3.2.2.tgz": "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsj"
    "KPZGJvtRZM1vO+geW0OhGw==",
    "plotly.js-cartesian-dist-min-4.1.1.tgz": "sha512-o8GrFeusncwBIxbBynRJpY4pkgVB6caM+JLpwrLYbbsO"
    "7dZ8FJ+SVN2Fr+L7kiG/Z6w4P5O0Jus/Qr5EefHVeg==",
}
NPM_FILES = tuple(name for files in PACKAGES.values() for name in files.values())


def fetched() -> bool:
    """Whether pages can do without any other host."""
    return all((VENDOR / name).is_file() for name in NPM_FILES)


def up_to_date() -> bool:
    """Whether what npm gave is of the versions that stand above."""
    mark = VENDOR / ".npm.made-from"
    return fetched() and mark.is_file() and mark.read_text() == " ".join(PACKAGES)


def fetch_npm() -> None:
    """The npm packages' files, complete or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, *PACKAGES]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=180, cwd=folder)
        wanted = {path: name for files in PACKAGES.values() for path, name in files.items()}
        for archive in Path(folder).glob("*.tgz"):
            check_integrity(archive)
            with tarfile.open(archive) as tar:
                for member in tar:
                    name = wanted.pop(member.name, None)
                    if member.name.startswith("package/dist/") and member.name.endswith(".woff2"):
                        name = Path(member.name).name
                    if name:
                        _place(tar.extractfile(member).read(), name)
        if wanted:
            raise FileNotFoundError(f"npm's packages lack {', '.join(wanted)}")
    _place(" ".join(PACKAGES).encode(), ".npm.made-from")


def check_integrity(archive: Path) -> None:
    """Refuse an archive that is not the one whose digest stands above.

    Raises:
        ValueError: the digest is another one, or none is stated for a file of this name.
    """
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if INTEGRITY.get(archive.name) != f"sha512-{digest}":
        raise ValueError(
            f"{archive.name} is not the archive that book/assets.py expects (its digest is "
            f"sha512-{digest}); if you changed its version, state the new digest in INTEGRITY"
        )


def copy_plotly() -> None:
    """All of plotly.js as the installed plotly package ships it, for where npm gives none."""
    import plotly

    _place(
        (Path(plotly.__file__).parent / "package_data/plotly.min.js").read_bytes(),
        "plotly.min.js",
    )


def _place(content: bytes, name: str) -> None:
    with atomic_file(VENDOR / name) as part:
        part.write_bytes(content)


def build_lab() -> None:
    """The live lab's scripts: MuJoCo and the page's code by npm, robots and policies by Python.

    Nothing is done where what they are made from has not changed.

    Raises:
        OSError: npm could not fetch its packages, or the lab could not be built.
    """
    code = [ROOT / "lab" / name for name in ("build.mjs", "package-lock.json")]
    code += sorted((ROOT / "lab/src").iterdir())
    if _changed("lab.js", sources=code):
        for command in (["npm", "ci", "--silent"], ["node", "build.mjs", str(VENDOR / "lab.js")]):
            _run(command, ROOT / "lab")
        _mark("lab.js", code)
    from droco_lite.live.export import LAB_ROBOTS, write_scripts

    if not facts_are_current():
        write_scripts(VENDOR)
        _mark(f"lab-{LAB_ROBOTS[0]}.js", _facts_sources())


def facts_are_current() -> bool:
    """Whether every robot's file is there and was made from what the package holds now."""
    from droco_lite.live.export import LAB_ROBOTS

    return not _changed(*(f"lab-{robot}.js" for robot in LAB_ROBOTS), sources=_facts_sources())


def _facts_sources() -> list[Path]:
    parts = (
        "live/export.py", "live/model_tables.py", "robots", "agents/weights", "data/policies",
        "agents/trained_policies.py", "figures/colors.py",
    )  # fmt: skip
    return [path for part in parts for path in _files(ROOT / "droco_lite" / part)]


def package_lab() -> bool:
    """Put the lab's script into the package, so that a wheel built next holds it.

    Returns:
        Whether it is there. Where it has not been built, an older copy is removed, a sentence says
        so, and the wheel's ``droco_lite.live`` will say how to get it.
    """
    inside = ROOT / "droco_lite/live/lab.js"
    if not (VENDOR / "lab.js").is_file():
        inside.unlink(missing_ok=True)
        print(
            "The live lab is NOT in this wheel: its script is built by Node and npm, which are not "
            "at hand or could not fetch its packages. All else of the package is complete."
        )
        return False
    with atomic_file(inside) as part:
        part.write_bytes((VENDOR / "lab.js").read_bytes())
    return True


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc")


def _digest(sources: list[Path]) -> str:
    content = (p.relative_to(ROOT).as_posix().encode() + p.read_bytes() for p in sources)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in content)).hexdigest()


def _changed(*names: str, sources: list[Path]) -> bool:
    """Whether a file is missing, or the first was made from other sources."""
    mark = VENDOR / f".{names[0]}.made-from"
    there = all((VENDOR / name).is_file() for name in names) and mark.is_file()
    return not there or mark.read_text() != _digest(sources)


def _mark(name: str, sources: list[Path]) -> None:
    _place(_digest(sources).encode(), f".{name}.made-from")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise OSError(f"{' '.join(command[:2])}: {(done.stderr or done.stdout).strip()[-300:]}")


def main() -> None:
    if shutil.which("npm") and shutil.which("node"):
        try:
            build_lab()
        except (subprocess.SubprocessError, OSError) as error:
            print(f"The live lab was not built ({error}); pages show its clips alone.")
    if sys.argv[1:] == ["wheel"]:
        package_lab()
        return
    if up_to_date():
        return
    if why := _page_scripts():
        if not (VENDOR / "plotly.min.js").is_file():
            copy_plotly()
        if not fetched():
            print(f"{why}; pages will take MathJax and the widget script from their CDN.")
        return
    print("Page scripts are in book/vendor: the site will make no outside request.")


def _page_scripts() -> str:
    """Fetch the pages' scripts; why that was not possible, or nothing."""
    if shutil.which("npm") is None:
        return "No npm here"
    try:
        fetch_npm()
    except ValueError as error:  # another archive than the expected one
        sys.exit(str(error))
    except (subprocess.SubprocessError, OSError) as error:
        return f"npm could not fetch the page scripts ({error})"
    return ""


def drop_unread(static: Path) -> None:
    """Remove source maps, which only the theme's developers open, and fonts in a second format.

    A browser takes the first format that it knows, and all that run the book's scripts know WOFF2.
    """
    for path in static.rglob("*.map"):
        path.unlink()
    for path in static.rglob("*.ttf"):
        if path.with_suffix(".woff2").is_file():
            path.unlink()


def setup(app) -> dict[str, bool]:
    """Sphinx's hooks: paths of what was fetched, before other extensions read them; and afterwards
    leave out what of the theme no reader's browser opens."""

    def choose(_app, config) -> None:
        if VENDOR.is_dir():
            config.html_static_path.append(str(VENDOR))
        if fetched():
            config.mathjax_path = "tex-svg.js"
            config.nb_ipywidgets_js = {"embed.js": {}}

    def drop(app, error) -> None:
        drop_unread(Path(app.outdir) / "_static")

    app.add_js_file(None, body=SCRIPT)  # names of sliders, for screen readers
    app.connect("config-inited", choose, priority=100)
    app.connect("build-finished", drop)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    sys.exit(main())
