"""Adam: torch's own to the last bit, and a process that trains by it loads no compiler."""

import subprocess
import sys

import pytest
import torch

from droco_lite.agents.optimizers import Adam, adam


def leaves(count=3):
    drawn = torch.Generator().manual_seed(0)
    return [torch.randn(4, 5, generator=drawn).requires_grad_() for _ in range(count)]


@pytest.mark.parametrize("rate", [3e-3, torch.tensor(3e-3)], ids=["number", "tensor"])
def test_it_moves_as_torchs_own_does(rate):
    """Groups with rates and decays of their own, and a parameter that has no gradient yet."""
    mine, theirs = leaves(), leaves()
    ours, torchs = (
        make([
            {"params": some[:1], "lr": rate},
            {"params": some[1:], "weight_decay": 1e-2},
        ])
        for make, some in (
            (lambda groups: adam(groups, torch.device("cpu"), 1e-3), mine),
            (lambda groups: torch.optim.Adam(groups, 1e-3, fused=True), theirs),
        )
    )  # fmt: skip
    assert isinstance(ours, Adam)
    for step in range(20):
        for optimizer, some in ((ours, mine), (torchs, theirs)):
            optimizer.zero_grad()
            used = some if step > 5 else some[:2]
            sum((leaf.sin() * (k + step)).sum() for k, leaf in enumerate(used)).backward()
            optimizer.step()
    for one, other in zip(mine, theirs, strict=True):
        assert torch.equal(one, other)
        assert ours.state[one].keys() == torchs.state[other].keys()
        for name, tensor in ours.state[one].items():
            assert torch.equal(tensor, torchs.state[other][name]), name
            assert tensor.dtype == torchs.state[other][name].dtype
    assert float(ours.state[mine[2]]["step"]) == 14


def test_devices_for_which_torch_has_no_fused_adam_get_torchs_own():
    parameter = torch.zeros(2, device="meta", requires_grad=True)
    assert isinstance(adam([{"params": [parameter]}], torch.device("meta")), torch.optim.Adam)


@pytest.mark.slow
def test_a_process_that_trains_loads_no_compiler():
    code = (
        "import sys\n"
        "from tests.agents.toy import transitions\n"
        "from droco_lite import DROCOSettings, LoopSettings, train\n"
        "one = DROCOSettings(hidden=8, steps=3, batch_size=4, members=2, ensemble_epochs=1)\n"
        "loop = LoopSettings(device='cpu')\n"
        "train([one], transitions(60, 0), transitions(40, 1), loop=loop)\n"
        "print([name for name in ('torch._dynamo', 'sympy', 'ot') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
