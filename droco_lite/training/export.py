"""A trained policy as one file that needs nothing of this package: TorchScript and a card."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from droco_lite.agents import METHODS
from droco_lite.agents.networks import mlp
from droco_lite.files import atomic_file, write_json
from droco_lite.provenance import as_json, provenance
from droco_lite.training import checkpoint


class Policy(nn.Module):
    """a = tanh(MLP(s)): observations ``[n, S]`` to actions ``[n, A]`` in [-1, 1]."""

    def __init__(self, layers):
        super().__init__()
        modules = []
        for weight, bias in layers:
            linear = nn.Linear(*weight.shape)
            linear.weight.data, linear.bias.data = weight.T.clone(), bias[0].clone()
            modules += [linear, nn.ReLU()]
        self.layers = nn.Sequential(*modules[:-1])

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layers(observations))


def restore(folder: str | Path, device: str = "cpu"):
    """The agent that a training left in ``folder``, and the facts of its checkpoint.

    Raises
    ------
    FileNotFoundError : there is no checkpoint in the folder.
    CheckpointError : it cannot be read.
    """
    found = checkpoint.load(folder, device)
    if found is None:
        raise FileNotFoundError(f"{folder} holds no {checkpoint.FILE}; train into it first")
    tensors, facts = found
    method = METHODS[facts["facts"]["runs"][0]["method"]]
    runs = [method.Settings.from_dict(run, where=str(folder)) for run in facts["facts"]["runs"]]
    agent = method(runs, *facts["facts"]["source"]["columns"], device=device)
    agent.load_frozen(tensors)
    agent.load_state(tensors)
    return agent, facts


def export_policy(folder: str | Path, run: int = 0, to: str | Path | None = None):
    """Write run ``run``'s policy as TorchScript and, beside it, a JSON card.

    Returns
    -------
    The two paths.  ``torch.jit.load(path)(observations)`` then gives the actions.

    Raises
    ------
    ValueError : there is no such run, or its policy is not a plain network.
    """
    agent, facts = restore(folder)
    if not 0 <= run < len(agent.runs):
        raise ValueError(f"run {run} was asked for; {folder} holds runs 0 to {len(agent.runs) - 1}")
    networks = getattr(agent, "networks", None)
    if networks is None or not hasattr(networks, "policy"):
        raise ValueError(f"{agent.runs[0].method} has no exportable policy network")
    layers = [(w[run].detach(), b[run].detach()) for w, b in networks.policy]
    policy = Policy(layers)
    probe = torch.randn(8, agent.n_obs)
    expected = torch.tanh(mlp([(w[None], b[None]) for w, b in layers], probe[None]))[0]
    torch.testing.assert_close(policy(probe), expected)

    path = Path(to) if to is not None else Path(folder) / f"policy{run}.pt"
    with warnings.catch_warnings(), atomic_file(path) as temporary:
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(policy.eval()).save(str(temporary))
    line = next((x for x in reversed(facts["curve"]) if x["run"] == run), {})
    card = {
        "policy": "tanh(MLP(s)), deterministic", "observation_size": agent.n_obs,
        "action_size": agent.n_act, "action_range": [-1, 1], "settings": agent.runs[run].to_dict(),
        "step": facts["step"], "data": {k: facts["facts"][k] for k in ("source", "target")},
        "robot": facts["facts"]["evaluation"][0],
        "last_evaluation": {k: line.get(k) for k in ("return_mean", "return_std", "score")},
    }  # fmt: skip
    return path, write_json(path.with_suffix(".json"), provenance(**as_json(card)))
