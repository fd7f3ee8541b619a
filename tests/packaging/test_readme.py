"""What README shows of the package alone has a small form that the clean-wheel check can run."""

import ast

import pytest
from readme import HELP_ONLY, commands, example, small


def test_every_command_of_readme_has_a_small_form():
    found = commands()
    assert len(found) >= 5
    assert {"train", "evaluate", "export", "compare"} <= {words[0] for words in found}


def test_the_example_is_small():
    ast.parse(example())
    assert "source_size=2_000" in example() and "steps=200" in example()


def test_sizes_are_replaced_and_the_rest_stays():
    words = ["compare", "hopper-medium", "--steps", "20000", "--out", "here"]
    assert small(words)[:4] == ["compare", "hopper-medium", "--out", "here"]
    assert small(words).count("--steps") == 1
    assert "20000" not in small(words)


def test_an_unknown_command_is_an_error():
    with pytest.raises(KeyError, match="no small form"):
        small(["invent", "something"])


def test_commands_on_a_readers_own_files_are_asked_for_help():
    assert small(["train", "--source", "my_source.hdf5"]) == ["train", "--help"]
    assert small(["export", "my-policies", "--run", "1"]) == ["export", "--help"]
    assert small(["export", "my-run"])[:2] == ["export", "my-run"]


def test_commands_without_a_small_form_say_why():
    assert all(reason for reason in HELP_ONLY.values())
