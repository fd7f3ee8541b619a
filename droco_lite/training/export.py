"""A trained policy as one ONNX file that needs nothing of this package, and a card beside it.

The file holds a = tanh(MLP(s)) as MatMul, Add, Relu and Tanh, so any ONNX runtime runs it, for any
number of rows ``[n, S]``.  It is written from
:meth:`droco_lite.agents.agent.Agent.policy_layers` and so works for every method.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droco_lite.agents import METHODS
from droco_lite.agents.agent import Agent
from droco_lite.agents.networks import Layers
from droco_lite.files import write_bytes, write_text
from droco_lite.provenance import as_json, provenance
from droco_lite.training import checkpoint
from droco_lite.training.checkpoint import Facts

if TYPE_CHECKING:
    import pandas as pd
    from onnx import ModelProto

DTYPES = ("float32", "float64")
OPSET, IR_VERSION = 17, 8  # of 2022, so that older runtimes read the file too


def restore(folder: str | Path, device: str = "cpu") -> tuple[Agent, Facts]:
    """The agent that a training left in ``folder``, and the facts of its checkpoint.

    Args:
        folder: what a training wrote.
        device: where the agent lives.

    Raises:
        FileNotFoundError: there is no checkpoint in the folder.
        CheckpointError: it cannot be read.
    """
    found = checkpoint.load(Path(folder), device)
    if found is None:
        raise FileNotFoundError(f"{folder} holds no {checkpoint.FILE}; train into it first")
    tensors, facts = found[0], Facts.of(found[1])
    method = METHODS[facts.runs[0]["method"]]
    runs = [method.Settings.from_dict(run, where=str(folder)) for run in facts.runs]
    n_obs, n_act = facts.source["columns"]
    agent = method(runs, n_obs, n_act, device=device)
    agent.load_frozen(tensors)
    agent.load_state(tensors)
    return agent, facts


def export_policy(
    folder: str | Path,
    run: int = 0,
    to: str | Path | None = None,
    *,
    dtype: str = "float32",
    returns: pd.DataFrame | None = None,
) -> tuple[Path, Path]:
    """Write run ``run``'s policy as ONNX and, beside it, a card in Markdown.

    Args:
        folder: what a training wrote.
        run: which of its runs.
        to: the file to write; ``policy<run>.onnx`` in the folder if None.
        dtype: of the observations that the file takes; it computes in float32 and gives float32.
        returns: lines of :func:`droco_lite.evaluation.suite.evaluate` for the card's table.

    Returns:
        The paths of policy and card; ``sha256sum -c`` checks each against ``NAME.sha256``.

    Raises:
        ValueError: there is no such run or dtype, ``to`` is no ``.onnx`` file, or the method acts
            otherwise than by its ``policy_layers`` alone, or does not declare that it does not.
        FileNotFoundError: there is no checkpoint in the folder.
    """
    agent, facts = restore(folder)
    if not 0 <= run < len(agent.runs):
        raise ValueError(f"run {run} was asked for; {folder} holds runs 0 to {len(agent.runs) - 1}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    path = Path(to) if to is not None else Path(folder) / f"policy{run}.onnx"
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: a policy is written as ONNX; let the name end in .onnx")
    layers = [(w[run].detach().cpu(), b[run].detach().cpu()) for w, b in agent.whole_policy()]
    about = as_json(_about(agent, facts, run, dtype))
    model = onnx_model(layers, dtype, {"droco_lite": json.dumps(about)})
    write_bytes(path, model.SerializeToString(), checksum=True)
    card = path.with_suffix(".md")
    write_text(card, _card(path.name, about, facts, run, returns), checksum=True)
    return path, card


def onnx_model(layers: Layers, dtype: str, metadata: Mapping[str, str]) -> ModelProto:
    """tanh(MLP(s)) of layers ``(weight [in, out], bias [1, out])`` as an ONNX model.

    Args:
        layers: one network, not a stack.
        dtype: of the input ``observations``; the output ``actions`` is float32.
        metadata: texts to keep in the file.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    kinds = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
    nodes = [helper.make_node("Cast", ["observations"], ["h0"], to=TensorProto.FLOAT)]
    weights = []
    for k, (weight, bias) in enumerate(layers):
        weights.append(numpy_helper.from_array(weight.contiguous().numpy(), f"weight{k}"))
        weights.append(numpy_helper.from_array(bias.reshape(-1).contiguous().numpy(), f"bias{k}"))
        last = k == len(layers) - 1
        nodes += [
            helper.make_node("MatMul", [f"h{k}", f"weight{k}"], [f"product{k}"]),
            helper.make_node("Add", [f"product{k}", f"bias{k}"], [f"sum{k}"]),
            helper.make_node(
                "Tanh" if last else "Relu", [f"sum{k}"], ["actions" if last else f"h{k + 1}"]
            ),
        ]
    sizes = layers[0][0].shape[0], layers[-1][0].shape[1]
    graph = helper.make_graph(
        nodes, "policy",
        [helper.make_tensor_value_info("observations", kinds[dtype], ["rows", sizes[0]])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, ["rows", sizes[1]])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(metadata))
    checker.check_model(model)
    return model


def _about(agent: Agent, facts: Facts, run: int, dtype: str) -> dict[str, Any]:
    """What the file says of itself."""
    return provenance(
        policy="tanh(MLP(s)), deterministic", observation_size=agent.n_obs,
        observation_dtype=dtype, action_size=agent.n_act, action_range=[-1, 1],
        robot=facts.robot,
        step=facts.step, settings=agent.runs[run].to_dict(),
        data={"source": facts.source, "target": facts.target},
    )  # fmt: skip


def _card(name: str, about: Mapping, facts: Facts, run: int, returns: pd.DataFrame | None) -> str:
    """The card: what the policy is, what it takes, what it returned, and how it is run."""
    settings, robot = about["settings"], about["robot"] or "robot not named"
    lines = [
        f"# {METHODS[settings['method']].__name__}, policy {run} ({robot})", "",
        f"`{name}` maps observations to actions: {about['policy']}.", "",
        f"* input `observations`: {about['observation_dtype']}, "
        f"`[n, {about['observation_size']}]`, one row or many",
        f"* output `actions`: float32, `[n, {about['action_size']}]`, each in [-1, 1]",
        f"* trained for {about['step']:,} steps on {about['data']['source']['rows']:,} source "
        f"and {about['data']['target']['rows']:,} target rows", "",
        "## Returns", "",
        *_returns(facts.curve, run, returns), "",
        "## Use", "",
        "```python", "import onnxruntime", "",
        f'policy = onnxruntime.InferenceSession("{name}")',
        '(actions,) = policy.run(None, {"observations": observations})', "```", "",
        "## Settings", "", "| setting | value |", "|---|---|",
        *(f"| {key} | {value} |" for key, value in settings.items()), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _returns(curve: list[dict], run: int, returns: pd.DataFrame | None) -> list[str]:
    """Lines of the card: the table that was given, else the training's own last evaluation."""
    if returns is not None:
        mine = returns[returns.run == run]
        scored = bool(mine.score.notna().any())  # a robot without reference returns has no score
        rows = [
            f"| {line.shift} | {line.return_mean:.0f} ± {line.return_std:.0f} |"
            + (f" {line.score:.1f} |" if scored else "")
            + f" {line.episodes} |"
            for line in mine.itertuples()
        ]
        names = ["robot", "return", *(["score"] if scored else []), "episodes"]
        head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        note = "Mean ± standard deviation over episodes; `nominal` is the robot as it is."
        return [*head, *rows, "", note]
    last: Mapping[str, Any] = next((x for x in reversed(curve) if x["run"] == run), {})
    if last.get("return_mean") is None:
        return ["None was measured."]
    mean, std = last["return_mean"], last["return_std"]
    known = last["score"] is not None and math.isfinite(last["score"])
    score = f" (score {last['score']:.1f})" if known else ""
    return [
        f"Nominal robot, at step {last['step']:,}: {mean:.0f} ± {std:.0f}{score}.  "
        "Robots that changed were not tried."
    ]


__all__ = ["DTYPES", "export_policy", "onnx_model", "restore"]
