"""axe-core, the checker of accessibility, from npm by digest; and what the theme alone decides."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "axe-core@4.14.1"
INTEGRITY = (
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFoo"
    "JpZe37OgudVGtQ=="
)
CACHE = Path(__file__).resolve().parents[2] / "_build/axe" / f"{PACKAGE}.js"

#: What the theme or Sphinx alone decides: rule, what the broken element's markup holds, and why.
THEME = (
    ("label-content-name-mismatch", "search-button-field", "the theme's button, named Search"),
    ("label-content-name-mismatch", "theme-switch-button", "the theme's button, named Color mode"),
    ("region", "logo__image", "the theme's logo stands outside its landmarks"),
    ("definition-list", "<dl>", "Sphinx writes the lines of a long signature so"),
)


def script() -> str:
    """The checker's source, fetched once.

    Raises:
        ValueError: npm gave another archive than the one that was looked at.
        OSError, subprocess.SubprocessError: there is no npm, or it could not fetch it.
    """
    if not CACHE.is_file():
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=180, cwd=folder)
            (archive,) = Path(folder).glob("*.tgz")
            digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            if f"sha512-{digest}" != INTEGRITY:
                raise ValueError(f"{archive.name}: not the archive that was looked at")
            with tarfile.open(archive) as tar:
                source = tar.extractfile("package/axe.min.js").read()
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        CACHE.write_bytes(source)
    return CACHE.read_text(encoding="utf-8")


RUN = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(v => ({
    rule: v.id, help: v.help,
    nodes: v.nodes.map(n => ({target: n.target.join(" "), html: n.html.slice(0, 160)})),
  }));
}"""


def broken(page) -> list[str]:
    """What the checker finds on an open page, but for what the theme alone decides."""
    page.add_script_tag(content=script())
    return [
        f"{found['rule']}: {found['help']}: {node['target']}: {node['html']}"
        for found in page.evaluate(RUN)
        for node in found["nodes"]
        if not any(found["rule"] == rule and mark in node["html"] for rule, mark, _ in THEME)
    ]
