"""Part (a) of ``gpu.py``: whether a card's fast forms of the step are the step.

Every method takes the same steps in each form, from the same weights and batches.  Each form's end
is compared with two others: the step by hand, where a method has one, and eager autograd, which is
the step that a reader sees.  A distance is a share of the way that autograd moved the networks.

=================  =================================================================================
form               what it is
=================  =================================================================================
autograd           eager, by autograd
nudged             the same from weights that are changed in their last digit: what rounding does
manual             eager, gradients by hand
graph              a CUDA graph of the step by hand, or of autograd where there is none
compiled graph     a CUDA graph of the compiled step by hand, which trainings take by default
again              autograd once more: stands in for a graph where there is neither card nor hand
=================  =================================================================================

A graph launches the kernels of the step that it records, so it has to end where that step ends
(``SAME_KERNELS``).  Two forms with other kernels round otherwise: where a gradient is near 0 its
sign turns, Adam moves that weight by its full rate the other way, and the difference grows from
step to step, as it does from a nudge.  Such forms have a wider limit (``OTHER_KERNELS``): after 200
steps of DROCO on a CPU a nudge led .046 of the way apart and the step by hand .025, but a β that is
a tenth smaller .16 and a learning rate that is a thirtieth smaller .21.

Then DROCO trains for a few hundred steps with two seeds, eagerly and as a training would on this
device, and its losses are logged after every step and compared (``curves``).
"""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from gpu_shared import card, say, stepper_of, wait_for
from quiet import quiet
from random_data import A, S, random_transitions

from droco_lite.agents import METHODS
from droco_lite.data.transitions import OracleTransitions
from droco_lite.files import read_json, write_json, write_text
from droco_lite.provenance import provenance
from droco_lite.training.loop import LoopSettings, train

FIRST = ("droco", "iql", "bosa", "micro", "cql")  # methods whose agreement is asked first
SAME_KERNELS, OTHER_KERNELS = 0.05, 0.1  # largest distances, as shares of the way moved
NUDGE = 1e-7  # relative; a float32 has a little more than seven digits
LOSSES = ("value_loss", "q_loss", "policy_loss")
CURVES_CLOSE = 0.05  # largest distance of two curves, as a share of the loss's own range
WHY = (
    "A graph has the kernels of the step that it records (limit same_kernels). Other forms round "
    "otherwise, and Adam turns the rounded 0 of a gradient into a whole step (limit "
    "other_kernels); nudged says how far one last digit of the first weights leads by itself."
)

#: Form -> the stepper's mode, and whether its graph is one of a compiled step.
FORMS = {
    "autograd": ("autograd", False),
    "nudged": ("autograd", False),
    "manual": ("manual", False),
    "graph": ("graph", False),
    "compiled graph": ("graph", True),
    "again": ("autograd", False),
}
#: Form -> the forms whose ends its own is compared with.
COMPARED = {
    "nudged": ("autograd",),
    "manual": ("autograd",),
    "graph": ("manual", "autograd"),
    "compiled graph": ("manual", "autograd"),
    "again": ("autograd",),
}

#: Work before the first step, made small: it is not what is measured here.
QUICK = {
    "bosa": {"cvae_steps": 20, "members": 2, "latents": 2},
    "dara": {"classifier_steps": 20},
    "igdf": {"encoder_steps": 20},
    "micro": {"members": 2, "ensemble_epochs": 1, "rollout_starts": 64, "rollout_every": 50},
    "otdf": {"cvae_steps": 20, "target_rows": 200, "source_chunk": 500},
}
#: A method whose own code is off by default has it on here: its row would be another method's.
OWN = {"droco-bounds": {"subset": 2}}


def settings_of(method: str, seeds: range, args) -> list:
    """Runs of a method whose preparation takes seconds."""
    kind = METHODS[method].Settings
    small = {"members": args.members, "ensemble_epochs": 1} if method.startswith("droco") else {}
    own = {"hidden": args.hidden, "steps": 10_000} | small | QUICK.get(method, {})
    own |= OWN.get(method, {})
    if method == "droco-shuffled":  # a twin and the run that it belongs to
        return [kind(shuffled=twin, **own) for twin in (False, True)]
    return [kind(seed=seed, **own) for seed in seeds]


def data_of(method: str, rows: int) -> tuple:
    """Both domains' rows; an oracle is told next states that are not the source's own."""
    source, target = random_transitions(rows, 0), random_transitions(rows // 4, 1)
    if method == "droco-oracle":  # with the source's own every u would be 0, and the step IQL's
        told = random_transitions(rows, 2).next_observations
        source = OracleTransitions(**source.arrays(), next_observations_target=told)
    return source, target


def forms_of(by_hand: bool, device: torch.device) -> list[str]:
    """The forms of a method's step that this device has."""
    hand = ["manual"] if by_hand else []
    if device.type == "cuda":
        return ["autograd", "nudged", *hand, "graph", *(["compiled graph"] if by_hand else [])]
    return ["autograd", "nudged", *(hand or ["again"])]


@torch.no_grad()
def nudge(agent) -> None:
    """Change every weight in its last digit."""
    draws = torch.Generator().manual_seed(0)
    for tensor in agent.tensors().values():
        sides = 2 * torch.rand(tensor.shape, generator=draws) - 1
        tensor.mul_(1 + NUDGE * sides.sign().to(tensor.device))


def distance(tensors: dict, others: dict) -> float:
    """The length of the difference of all of them together."""
    return float(np.linalg.norm([float((tensors[n] - others[n]).norm()) for n in tensors]))


def at_hand(agent) -> dict:
    """The networks as they are now, in double precision."""
    return {name: t.detach().double().cpu() for name, t in agent.tensors().items()}


def taken(form: str, agent, data, device: torch.device, steps: int) -> tuple[dict, list[str]]:
    """Take the steps in this form: how fast, as what, and what was warned of."""
    mode, compiling = FORMS[form]
    columns = agent.prepare(*data)
    if form == "nudged":
        nudge(agent)
    stepper = stepper_of(agent, data, columns, mode, compiling)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        stepper.warm_up(0)
        wait_for(device)
        began = time.perf_counter()
        stepper.run(0, steps)
        wait_for(device)
    rate = round(steps / (time.perf_counter() - began), 1)
    told = [str(one.message) for one in said]
    uncompiled = any(text.startswith("no graph of a compiled step") for text in told)
    ran_as = stepper.mode + ", uncompiled" * uncompiled
    return {"steps_per_second": rate, "ran_as": ran_as, "as_asked": ran_as == mode}, told


def compare(method: str, device: torch.device, args) -> dict:
    """The same steps in every form: where they end, and how long they took."""
    data, runs = data_of(method, args.rows), settings_of(method, range(2), args)
    by_hand = METHODS[method](runs, S, A, device=device).by_hand
    found: dict = {"method": method, "forms": {}, "warnings": []}
    ends, frozen, start = {}, None, {}
    for form in forms_of(by_hand, device):
        agent = METHODS[method](runs, S, A, device=device)
        if frozen is not None:  # one preparation for all
            agent.load_frozen(frozen)
        start = start or at_hand(agent)
        found["forms"][form], told = taken(form, agent, data, device, args.steps)
        found["warnings"] += told
        frozen = frozen or agent.frozen()
        ends[form] = at_hand(agent)
    found["moved"] = distance(ends["autograd"], start)
    for form, others in COMPARED.items():
        for other in others:
            if form in ends and other in ends:
                apart = distance(ends[form], ends[other]) / max(found["moved"], 1e-30)
                found["forms"][form][f"from_{other}_over_moved"] = apart
    found["agrees"] = agrees(found)
    return found


def limit(form: str, other: str, by_hand: bool) -> float:
    """How far a form may end from another: closer from the step that it records."""
    recorded = "manual" if by_hand else "autograd"
    same = form in ("graph", "again") and other == recorded
    return SAME_KERNELS if same else OTHER_KERNELS


def agrees(found: dict) -> bool:
    """Whether every form ran as it was asked to, and ends where both other steps end."""
    forms, by_hand = found["forms"], "manual" in found["forms"]
    near = [
        forms[form][f"from_{other}_over_moved"] < limit(form, other, by_hand)
        for form in forms
        if form not in ("autograd", "nudged")
        for other in COMPARED[form]
        if other in forms
    ]
    asked = all(facts["as_asked"] for facts in forms.values())
    return bool(found["moved"] > 0 and near and all(near) and asked)


# ------------------------------------------------------------------------------- learning curves


def logged(mode: str, device: torch.device, args, ensemble=None):
    """A short training of two seeds whose losses are logged after every step."""
    data = data_of("droco", args.curve_rows)
    kind, small = METHODS["droco"].Settings, {"members": args.members, "ensemble_epochs": 1}
    runs = [kind(seed=k, hidden=args.hidden, steps=args.curve_steps, **small) for k in range(2)]
    loop = LoopSettings(
        device=str(device), mode=mode, precision="highest", evaluate_every=1, episodes=0,
        diagnostic_rows=128,
    )  # fmt: skip
    return train(runs, *data, loop=loop, ensemble=ensemble)


def curves(path: Path, device: torch.device, args) -> dict:
    """Losses of an eager training beside those of a training in this device's fast form.

    Args:
        path: where the losses go, one line a form, step and run.
        device: where both train.
        args: sizes.
    """
    fast = "graph" if device.type == "cuda" else "manual"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        eager = logged("autograd", device, args)
        other = logged(fast, device, args, eager.agent.ensemble)
    parts = {"autograd": eager.curve, fast: other.curve}
    kept = ["step", "run", *LOSSES]
    table = pd.concat([c[kept].assign(form=form) for form, c in parts.items()])
    write_text(path, table.to_csv(index=False, float_format="%.7g"))
    found = compare_curves(eager.curve, other.curve)
    told = sorted({str(one.message) for one in said})
    return {
        "forms": {"autograd": eager.mode, fast: other.mode}, "steps": args.curve_steps,
        "seeds": [0, 1], "losses": found, "warnings": told,
        "agrees": other.mode == fast and all(one["apart"] < CURVES_CLOSE for one in found.values()),
    }  # fmt: skip


def compare_curves(eager: pd.DataFrame, other: pd.DataFrame) -> dict:
    """Of each loss the largest distance at any step, as a share of the range of the eager curve."""
    found = {}
    for loss in LOSSES:
        a, b = (one.pivot(index="step", columns="run", values=loss) for one in (eager, other))
        if not (a.index.equals(b.index) and a.columns.equals(b.columns)):
            raise ValueError(f"{loss}: the two curves were logged at other steps or of other runs")
        shares = ((a - b).abs() / (a.max() - a.min())).max(axis=1)
        found[loss] = {
            "apart": float(shares.max()), "at_step": int(shares.idxmax()),
            "at_first_step": float(shares.iloc[0]), "steps_compared": len(shares),
        }  # fmt: skip
    return found


# ------------------------------------------------------------------------------------- all of it


CURVES = "learning curves"


def agreement(path: Path, device: torch.device, may_go_on: Callable[[], bool], args) -> None:
    """Part (a): the curves and every method, or as many as fit.

    Args:
        path: of the JSON file, whose answers are not asked again.
        device: where to compare.
        may_go_on: whether there is time for one more method.
        args: sizes.
    """
    before = read_json(path) if path.exists() else {}
    known = {CURVES: before.get("curves", {}), **before.get("methods", {})}
    limits = {
        "same_kernels": SAME_KERNELS, "other_kernels": OTHER_KERNELS, "curves": CURVES_CLOSE,
        "why": WHY,
    }  # fmt: skip
    for name in (CURVES, *FIRST, *(name for name in METHODS if name not in FIRST)):
        if known.get(name, {}).get("agrees") is not None:
            continue
        if not may_go_on():
            say(f"(a) {name} and what follows: no time left; the same command goes on there")
            return
        try:
            if name == CURVES:
                known[name] = curves(path.with_name("agreement_curves.csv"), device, args)
            else:
                known[name] = compare(name, device, args)
            agreed = "agrees" if known[name]["agrees"] else "DIFFERS"
            say(f"(a) {name:15s} {agreed}: {in_words(known[name])}")
        except Exception as error:
            traceback.print_exc()
            known[name] = {"error": f"{type(error).__name__}: {error}"}
        methods = {name: answer for name, answer in known.items() if name != CURVES}
        facts = {"curves": known[CURVES], "methods": methods, "steps": args.steps}
        write_json(path, provenance(**facts, limits=limits, **quiet(), **card(device)))


def in_words(found: dict) -> str:
    """One line of figures, of a method or of the curves."""
    if "losses" in found:
        return ", ".join(
            f"{loss} {one['apart']:.1e} of its range apart at most"
            for loss, one in found["losses"].items()
        )
    words = []
    for form, facts in found["forms"].items():
        apart = [
            f"{facts[key]:.1e} from {other}"
            for other in COMPARED.get(form, ())
            if (key := f"from_{other}_over_moved") in facts
        ]
        words.append(" ".join([form, *apart, f"({facts['steps_per_second']:.0f}/s)"]))
    return "; ".join(words)
