"""What is fetched for the pages is what was looked at when its version was chosen."""

import re

import pytest

from book.assets import INTEGRITY, PACKAGES, check_integrity


def test_each_package_has_one_version_and_one_digest():
    for package in PACKAGES:
        name, version = re.fullmatch(r"@?(.+)@([\d.]+)", package).groups()
        archive = f"{name.replace('/', '-')}-{version}.tgz"
        assert re.fullmatch(r"sha512-[\w+/]{86}==", INTEGRITY[archive])
    assert len(INTEGRITY) == len(PACKAGES)


@pytest.mark.parametrize("name", [next(iter(INTEGRITY)), "unheard-of-1.0.tgz"])
def test_another_archive_is_refused(tmp_path, name):
    archive = tmp_path / name
    archive.write_bytes(b"not what was published")
    with pytest.raises(ValueError, match=rf"{re.escape(name)} is not the archive .*INTEGRITY"):
        check_integrity(archive)
