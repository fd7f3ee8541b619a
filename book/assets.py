"""What a built page loads besides itself: from this site where it was fetched, else from a CDN.

``python book/assets.py`` lays MathJax, the widget script with its icon fonts (both by npm) and
plotly.js (from the installed plotly package) into ``book/vendor``. As a Sphinx extension, this
file then points the pages at whatever is there; a site built with all of them asks no other host
for anything.
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

VENDOR = Path(__file__).parent / "vendor"

# npm package: {file in it: name in book/vendor}. The widget script takes its fonts from beside it.
PACKAGES = {
    "@jupyter-widgets/html-manager@1.0.15": {"package/dist/embed.js": "embed.js"},
    "mathjax@3.2.2": {"package/es5/tex-svg.js": "tex-svg.js"},
}
# What npm's registry says of each archive; another archive under its name is refused.
INTEGRITY = {
    "jupyter-widgets-html-manager-1.0.15.tgz": "sha512-5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVz"
    "RhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
    "mathjax-3.2.2.tgz": "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsj"
    "KPZGJvtRZM1vO+geW0OhGw==",
}
NPM_FILES = tuple(name for files in PACKAGES.values() for name in files.values())


def fetched() -> bool:
    """Whether pages can do without any other host."""
    return all((VENDOR / name).is_file() for name in NPM_FILES)


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
    """plotly.js as the installed plotly package ships it, so that the two versions agree."""
    import plotly

    _place(
        (Path(plotly.__file__).parent / "package_data/plotly.min.js").read_bytes(),
        "plotly.min.js",
    )


def _place(content: bytes, name: str) -> None:
    with atomic_file(VENDOR / name) as part:
        part.write_bytes(content)


def main() -> None:
    copy_plotly()
    if fetched():
        return
    if shutil.which("npm") is None:
        print("No npm here: pages will take MathJax and the widget script from their CDN.")
        return
    try:
        fetch_npm()
    except ValueError as error:  # another archive than the expected one
        sys.exit(str(error))
    except (subprocess.SubprocessError, OSError) as error:
        print(f"npm could not fetch the page scripts ({error}); pages will use their CDN.")
    else:
        print("Page scripts are in book/vendor: the site will make no outside request.")


def setup(app) -> dict[str, bool]:
    """Sphinx's hooks: paths of what was fetched, before other extensions read them; and afterwards
    leave out the theme's source maps, megabytes that only its own developers open."""

    def choose(_app, config) -> None:
        if VENDOR.is_dir():
            config.html_static_path.append(str(VENDOR))
        if fetched():
            config.mathjax_path = "tex-svg.js"
            config.nb_ipywidgets_js = {"embed.js": {}}

    def drop_source_maps(app, error) -> None:
        for path in (Path(app.outdir) / "_static").rglob("*.map"):
            path.unlink()

    app.add_js_file(None, body=SCRIPT)  # names of sliders, for screen readers
    app.connect("config-inited", choose, priority=100)
    app.connect("build-finished", drop_source_maps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    sys.exit(main())
