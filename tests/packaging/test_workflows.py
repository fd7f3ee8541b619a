"""The workflows ask for no more than they need; their actions cannot change under them."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
workflows = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)

#: The jobs that may write, and what: everything else only reads.
WRITERS = {
    ("test", "publish"): {"contents": "read", "pages": "write", "id-token": "write"},
    ("test", "colab"): {"contents": "write"},
    ("release", "release"): {"contents": "write"},
}


@workflows
def test_a_workflow_only_reads_unless_a_job_says_why_it_writes(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions") == WRITERS.get((path.stem, name))


@workflows
def test_actions_stand_by_commit(path):
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action}: which release is it?"


@workflows
def test_jobs_that_write_run_no_code_of_the_repository(path):
    """A job with a token that writes takes what another job made; it does not build."""
    for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
        if (path.stem, name) in WRITERS:
            said = yaml.safe_dump(job["steps"])
            assert "actions/checkout" not in said
            assert not re.search(r"\b(make|pip|python) ", said)


@workflows
def test_what_is_published_comes_from_the_main_branch_or_a_tag(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    tags_only = set(workflow[True] or {}) == {"push"} and set(workflow[True]["push"]) == {"tags"}
    for name, job in workflow["jobs"].items():
        if (path.stem, name) in WRITERS and not tags_only:
            assert "refs/heads/main" in job["if"] and "'push'" in job["if"]
            assert "test" in job["needs"]
