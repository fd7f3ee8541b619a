"""Small faults put into the core one at a time: each must make the test that names it fail.

    python -m tests.mutants              all of them
    python -m tests.mutants ensemble     those whose file or fault holds that word

The faults are put into a copy of the package, never into the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """A fault: in ``file``, ``right`` becomes ``wrong``; ``test`` is what has to notice."""

    file: str
    right: str
    wrong: str
    test: str


ROWS, ENSEMBLE = "tests/training/test_rows.py", "tests/agents/test_ensemble.py"
COLLECT, ENDS = "tests/data/test_collect.py", "tests/data/test_hdf5.py"
SOUND = "tests/agents/test_soundness.py"
FILES, LOOP = "tests/test_files.py", "tests/training/test_loop.py"

MUTANTS = (
    # Termination against truncation.
    Mutant("training/rows.py", "1.0 - d.terminations.reshape(-1, 1)",
           "1.0 - (d.terminations | d.truncations).reshape(-1, 1)", f"{ROWS}::test_a_truncated"),
    # Streams of the sampler.
    Mutant("training/rows.py", "default_rng([run.seed, BATCH_STREAM, number])",
           "default_rng([run.seed, BATCH_STREAM])", f"{ROWS}::test_no_two_streams"),
    Mutant("training/rows.py", "default_rng([run.seed, BATCH_STREAM, number])",
           "default_rng([BATCH_STREAM, number])", f"{ROWS}::test_no_two_streams"),
    Mutant("training/rows.py", "default_rng([run.seed, NOISE_STREAM, number])",
           "default_rng([run.seed, NOISE_STREAM])", f"{ROWS}::test_no_two_streams"),
    Mutant("training/rows.py", "default_rng([run.seed, NOISE_STREAM, number])",
           "default_rng([NOISE_STREAM, number])", f"{ROWS}::test_no_two_streams"),
    Mutant("training/rows.py", "BATCH_STREAM, NOISE_STREAM = 0, 1",
           "BATCH_STREAM, NOISE_STREAM = 0, 0", f"{ROWS}::test_noise_has_a_stream"),
    Mutant("training/rows.py", "first = self.places[\"union\"][1] + r * self.own",
           "first = self.places[\"union\"][1]", f"{ROWS}::test_a_run_with_rows_of_its_own"),
    # Books of the ensemble.
    Mutant("agents/ensemble.py", "kept.copy_(torch.where(chosen, now, kept))", "kept.copy_(now)",
           f"{ENSEMBLE}::test_each_member_keeps"),
    Mutant("agents/ensemble.py", "self.error = torch.where(better, error, self.error)",
           "self.error = error", f"{ENSEMBLE}::test_the_error_that_is_told"),
    Mutant("agents/ensemble.py", "best.error.argsort()[: settings.elites]",
           "best.error.argsort(descending=True)[: settings.elites]",
           f"{ENSEMBLE}::test_elites_are_the_best"),
    Mutant("agents/ensemble.py", "self.since = 0 if bool(better.any()) else self.since + 1",
           "self.since = 0 if bool(better.all()) else self.since + 1",
           f"{ENSEMBLE}::test_it_stops_after"),
    Mutant("agents/ensemble.py", "settings.seed * settings.members + k",
           "settings.seed * settings.members", f"{ENSEMBLE}::test_members_differ"),
    Mutant("agents/ensemble.py", "settings.seed * settings.members + k", "settings.seed + k",
           f"{ENSEMBLE}::test_members_differ"),
    # Variance against deviation.
    Mutant("agents/ensemble.py", "torch.exp(0.5 * log_variance) * self.output_std",
           "torch.exp(log_variance) * self.output_std", f"{ENSEMBLE}::test_the_spread"),
    Mutant("agents/ensemble.py", "torch.exp(0.5 * log_variance) * self.output_std",
           "torch.exp(0.5 * log_variance)", f"{ENSEMBLE}::test_the_spread"),
    Mutant("agents/droco.py", "mean + std**2 if", "mean + std if",
           f"{ENSEMBLE}::test_droco_adds_the_variance"),
    # Whose rows the ensemble knows.
    Mutant("agents/droco.py",
           "ensemble_of(target, settings", "ensemble_of(source, settings",
           f"{ENSEMBLE}::test_droco_fits_its_ensemble"),
    # Both bounds of the backup, and whose rewards they are of.
    Mutant("agents/droco.py", "torch.clamp(robust, self.floor, self.ceiling)",
           "torch.clamp(robust, min=self.floor)", f"{SOUND}::test_a_bonus_cannot"),
    Mutant("agents/droco.py", "torch.clamp(robust, self.floor, self.ceiling)",
           "torch.clamp(robust, max=self.ceiling)", f"{SOUND}::test_by_default_nothing"),
    Mutant("agents/droco.py", "possible_returns(self.shared.discount, target)",
           "possible_returns(self.shared.discount, source, target)",
           f"{SOUND}::test_by_default_nothing"),
    # Which run is warned of, and when.
    Mutant("training/health.py", "if run in self.warned or", "if self.warned or",
           f"{SOUND}::test_one_run_that_strays"),
    Mutant("training/health.py", "(stays or share > PLAINLY_OUTSIDE)", "share > WARN_ABOVE",
           f"{SOUND}::test_a_stray_share"),
    Mutant("training/health.py", "(AS_BORN * size).clamp(min=LEAST_MARGIN)", "0 * size",
           f"{SOUND}::test_the_values_of_a_young"),
    Mutant("agents/sac.py", "if not self.shared.backup_entropy:\n            return 0.0, 0.0",
           "if True:\n            return 0.0, 0.0", f"{SOUND}::test_entropy_in_the_backup"),
    # A rival's temperature.
    Mutant("agents/sac.py", ".clamp(max=self.shared.most_alpha)", "",
           "tests/agents/test_sac.py::test_a_capped"),
    # Seeds of collected data.
    Mutant("data/collect.py", "SeedSequence([seed, tag, int(upcoming[row])])",
           "SeedSequence([seed, tag])", f"{COLLECT}::test_every_episode_has"),
    Mutant("data/collect.py", "SeedSequence([seed, tag, int(upcoming[row])])",
           "SeedSequence([tag, int(upcoming[row])])", f"{COLLECT}::test_no_start_and_no_noise"),
    Mutant("data/collect.py", "SeedSequence([seed, tag, int(upcoming[row])])",
           "SeedSequence([seed, int(upcoming[row])])", f"{COLLECT}::test_no_start_and_no_noise"),
    Mutant("data/collect.py", "np.random.default_rng(rest)",
           "np.random.default_rng([seed, int(upcoming[row])])",
           f"{COLLECT}::test_no_start_and_no_noise"),
    Mutant("data/collect.py", "np.float32(noise) * self.noises",
           "np.float32(noise) ** 2 * self.noises",
           f"{COLLECT}::test_noise_has_the_deviation"),
    # Strength between the knots.
    Mutant("robots/shifts.py",
           "share = (strength - strengths[i - 1]) / (strengths[i] - strengths[i - 1])",
           "share = 1", "tests/robots/test_shifts.py::test_between_two_published"),
    # When value iteration stops.
    Mutant("tabular/operators.py", "if residuals[-1] * gamma <= tolerance * (1 - gamma):",
           "if residuals[-1] <= tolerance:",
           "tests/tabular/test_operators.py::test_value_iteration_stops"),
    Mutant("tabular/operators.py", "if residuals[-1] * gamma <= tolerance * (1 - gamma):",
           "if residuals[-1] <= tolerance * (1 - gamma) ** 2:",
           "tests/tabular/test_operators.py::test_value_iteration_stops"),
    # Ends of episodes in files from elsewhere.
    Mutant("data/ends.py", "data = _without(data, unmarked)", "data.truncations[unmarked] = True",
           f"{ENDS}::test_time_limits_that_no_flag_marks"),
    Mutant("data/ends.py", "data.truncations[rows] |= other.any(1)", "pass",
           f"{ENDS}::test_an_end_that_flags_miss"),
    Mutant("data/ends.py", "> BREAK * (1 + np.abs(follows))", "> 0",
           f"{ENDS}::test_rounded_next_observations"),
    # Files.
    Mutant("files/tensors.py", "if metadata.get(_KEY) != found.hexdigest():", "if False:",
           f"{FILES}::test_no_flipped_bit"),
    Mutant("files/checksums.py", "if not accepted or found & set(accepted):", "if True:",
           f"{FILES}::test_a_death_between"),
    Mutant("files/checksums.py", "lines.append(f\"# {before}  {path.name}\\n\")", "pass",
           f"{FILES}::test_a_death_between"),
    Mutant("files/atomic.py", "        _flush(temporary)\n", "",
           f"{FILES}::test_everything_is_on_the_disk"),
    Mutant("training/loop.py", "write_curve(out / CURVE, self.lines)  # a process",
           "# a process", f"{LOOP}::test_a_curve_is_rebuilt"),
    Mutant("training/signals.py", "SIGNALS = (signal.SIGINT, signal.SIGTERM)",
           "SIGNALS = (signal.SIGINT,)", f"{LOOP}::test_interrupt_saves"),
)  # fmt: skip


def run(mutant: Mutant, folder: Path) -> str:
    """``caught``, ``survived``, or why the mutant could not be tried."""
    path = folder / "droco_lite" / mutant.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutant.right) != 1:
        return f"stale: {mutant.right!r} stands {whole.count(mutant.right)} times in the file"
    path.write_text(whole.replace(mutant.right, mutant.wrong), encoding="utf-8")
    try:
        test, name = mutant.test.split("::")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, test, "-k", name], cwd=folder, capture_output=True, text=True, timeout=240,
            env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "caught (it did not end)"
    finally:
        path.write_text(whole, encoding="utf-8")
    if done.returncode < 0:
        return "caught (it ended the process)"
    if done.returncode not in (0, 1):
        return f"not tried: {done.stdout[-300:]}{done.stderr[-300:]}"
    return "caught" if done.returncode == 1 else "survived"


def main(words: list[str]) -> int:
    """Try the mutants whose file, fault or test holds one of ``words``; 1 if one is not caught."""
    chosen = [m for m in MUTANTS if not words or any(w in str(m) for w in words)]
    missed = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("droco_lite", "tests"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for mutant in chosen:
            outcome = run(mutant, folder)
            missed += not outcome.startswith("caught")
            print(f"{outcome:10} {mutant.file}: {mutant.wrong.strip() or 'left out'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutants are caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
