"""A Sphinx directive that writes settings as a table, from the metadata of their own fields.

.. settings:: droco_lite.agents.DROCOSettings
"""

from __future__ import annotations

import importlib
import inspect

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from droco_lite.agents.settings import Settings, describe


def table(kind: type[Settings], without: frozenset[str] = frozenset()) -> list[str]:
    """The lines of a reStructuredText table: setting, default, range, meaning.

    Args:
        kind: a settings class.
        without: names of fields that another table shows.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 22 14 20 44", ""]
    rows = [("setting", "default", "range", "meaning")]
    for row in describe(kind):
        if row["name"] in without:
            continue
        star = " \\*" if row["per_run"] else ""
        default = '""' if row["default"] == "" else str(row["default"])
        meaning = row["help"].replace("*", "\\*").replace("|", "\\|") or "\\"
        allowed = f"{row['range']}" or row["type"]
        rows.append((f"``{row['name']}``{star}", f"``{default}``", allowed, meaning))
    for row in rows:
        lines += [f"   {'*' if k == 0 else ' '} - {cell}" for k, cell in enumerate(row)]
    return lines


def inherited(kind: type[Settings]) -> frozenset[str]:
    """Names of the fields that a settings class has from the one it extends."""
    parent = kind.__mro__[1]
    own = inspect.get_annotations(kind)
    return frozenset(getattr(parent, "__dataclass_fields__", {})) - frozenset(own)


class SettingsTable(Directive):
    """The table of one class; fields of the class it extends are named there."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        adds = {row["name"] for row in describe(kind)} - inherited(kind)
        lines = table(kind, inherited(kind)) if adds else ["It adds none of its own."]
        parent = kind.__mro__[1]
        if inherited(kind):
            lines += ["", f"Further, the settings of ``{parent.__name__}``."]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source="settings"), self.content_offset, node)
        return node.children


def setup(app) -> dict[str, bool]:
    """Sphinx's hook."""
    app.add_directive("settings", SettingsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
