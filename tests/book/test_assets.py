"""What is fetched for the pages is what was looked at when its version was chosen."""

import re

import plotly.offline
import pytest

from book import assets
from book.assets import INTEGRITY, PACKAGES, check_integrity


def test_each_package_has_one_version_and_one_digest():
    for package in PACKAGES:
        name, version = re.fullmatch(r"@?(.+)@([\d.]+)", package).groups()
        archive = f"{name.replace('/', '-')}-{version}.tgz"
        assert re.fullmatch(r"sha512-[\w+/]{86}==", INTEGRITY[archive])
    assert len(INTEGRITY) == len(PACKAGES)


def test_plotly_js_is_the_version_that_the_package_writes_figures_for():
    """A small bundle from npm, where the installed package ships all of plotly.js."""
    (npm,) = (package for package in PACKAGES if package.startswith("plotly"))
    assert npm.rpartition("@")[2] == plotly.offline.get_plotlyjs_version()


def test_scripts_of_other_versions_are_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "VENDOR", tmp_path)
    for name in assets.NPM_FILES:
        (tmp_path / name).write_text("")
    assert assets.fetched() and not assets.up_to_date()
    (tmp_path / ".npm.made-from").write_text(" ".join(PACKAGES))
    assert assets.up_to_date()


def test_without_npm_the_installed_plotly_js_stands_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(assets, "VENDOR", tmp_path)
    monkeypatch.setattr(assets.shutil, "which", lambda name: None)
    monkeypatch.setattr(assets.sys, "argv", ["assets"])
    assets.main()
    assert (tmp_path / "plotly.min.js").stat().st_size > 1e6
    assert "No npm here; pages will take MathJax" in capsys.readouterr().out


@pytest.mark.parametrize("name", [next(iter(INTEGRITY)), "unheard-of-1.0.tgz"])
def test_another_archive_is_refused(tmp_path, name):
    archive = tmp_path / name
    archive.write_bytes(b"not what was published")
    with pytest.raises(ValueError, match=rf"{re.escape(name)} is not the archive .*INTEGRITY"):
        check_integrity(archive)


def test_a_wheel_takes_the_built_lab_and_never_an_old_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "vendor")
    inside, built = tmp_path / "droco_lite/live/lab.js", tmp_path / "vendor/lab.js"
    for path in (inside, built):
        path.parent.mkdir(parents=True)
    built.write_text("new")
    assert assets.package_lab()
    assert inside.read_text() == "new"
    built.unlink()
    assert not assets.package_lab()
    assert not inside.exists()
    assert "NOT in this wheel" in capsys.readouterr().out


def test_what_no_browser_opens_is_left_out_of_the_site(tmp_path):
    for name in ("theme.js", "theme.js.map", "a.ttf", "a.woff2", "b.ttf"):
        (tmp_path / name).write_text("")
    assets.drop_unread(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.woff2", "b.ttf", "theme.js"]
