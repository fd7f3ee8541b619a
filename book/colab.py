"""Notebooks for Colab and JupyterLab, made from the chapters in plain Markdown.

    make colab                                  the book is built, then _build/colab/*.ipynb
    python -m book.colab SITE FOLDER            from a built site into a folder

A chapter is written for the built page: roles, references, directives. Elsewhere those are raw
text. So here references become numbers and links, admonitions block quotes, solutions fold with
``<details>``, sections that the page folds are collapsed, code and outputs that it folds are
folded, those of solutions too, and widgets leave their still picture. What is true of the page
alone is marked there and gives way to other words (``_PAGE_ONLY``). Numbers of equations, theorems
and exercises are read from the built site, so the two always agree. A role or directive that this
file does not know is an error, not raw text.

The workflow puts the made notebooks on the branch ``colab``; the site's buttons open them there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import nbformat
import yaml

from book.address import ROOT, colab
from book.folds import sections
from book.live_lab import LAB_ID, split
from book.references import References, authors, entry, link_of, read_references
from droco_lite.robots import Shift

#: What a made notebook's set-up cell does besides: sliders get their names for screen readers.
NAMES = "\n\nfrom droco_lite.figures.naming import name_sliders\n\nname_sliders()"
WIDGET = "application/vnd.jupyter.widget-view+json"
_FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:+-]+)\}[ ]*(?P<argument>.*)$")
_PLAIN = re.compile(r"^ *(`{3,}|~{3,})")
_ROLE = re.compile(r"\{([\w:+-]+)\}`([^`]+)`")
#: In a chapter, ``<!-- page: -->a sentence<!-- elsewhere: another -->``: the built page shows the
#: first, a made notebook the second, or nothing where nothing is said. The marks stand within a
#: line, since one that begins a line would end a paragraph.
_PAGE_ONLY = re.compile(r"<!-- page: -->(?:(?!<!-- page:).)*?<!-- elsewhere:\s*(.*?)\s*-->", re.S)
_THEOREMS = {f"prf:{kind}" for kind in ("theorem", "proposition", "lemma", "corollary", "remark")}
_THEOREMS |= {f"prf:{kind}" for kind in ("definition", "example", "algorithm", "assumption")}
_QUOTED = {"admonition", "note", "tip", "important", "warning", "hint", "caution", "seealso"}


class UnknownMarkup(ValueError):
    """A role, directive or reference that has no plain form."""


# Inline ---------------------------------------------------------------------------------------


class Chapter:
    """Turns one chapter's cells; remembers whether a solution that spans cells is open."""

    def __init__(self, name: str, references: References):
        self.name, self.references = name, references
        self.solution: str | None = None
        self.cited: list[str] = []

    # Roles

    def inline(self, text: str) -> str:
        """Roles and substitutions as plain text and links."""
        text = re.sub(r"\{\{ *([\w-]+) *\}\}", self._substitute, text)
        return _ROLE.sub(lambda found: self._role(found[1], found[2]), text)

    def _substitute(self, found: re.Match) -> str:
        try:
            return str(self.references.substitutions[found[1]])
        except KeyError:
            raise UnknownMarkup(f"{self.name}: no substitution {found[1]!r}") from None

    def _role(self, role: str, content: str) -> str:
        shown, _, target = content.rpartition("<") if content.endswith(">") else ("", "", content)
        shown, target = shown.strip(), target.rstrip(">").strip()
        look_up = {
            "eq": lambda: self._equation(target),
            "prf:ref": lambda: self._numbered(target, shown),
            "numref": lambda: self._numbered(target, shown),
            "ref": lambda: self._section(target, shown),
            "term": lambda: self._term(target, shown),
            "doc": lambda: self._document(target, shown),
            "cite": lambda: self._cite(content, "({})", "{}, {}"),
            "cite:p": lambda: self._cite(content, "({})", "{}, {}"),
            "cite:t": lambda: self._cite(content, "{}", "{} ({})"),
            "math": lambda: f"${content}$",
            "code": lambda: f"`{content}`",
        }
        if role.removeprefix("py:") in ("class", "func", "meth", "mod", "attr", "data"):
            name = target.rsplit(".", 1)[-1] if target.startswith("~") else target
            return f"`{shown or name}`"
        try:
            return look_up[role]()
        except KeyError as error:
            raise UnknownMarkup(
                f"{self.name}: cannot resolve {{{role}}}`{content}` ({error})"
            ) from None

    def _linked(self, text: str, page: str, anchor: str) -> str:
        """Plain within the chapter, since a notebook has no anchors; elsewhere a link."""
        return text if page == self.name else f"[{text}]({self.references.page(page, anchor)})"

    def _equation(self, label: str) -> str:
        number, page = self.references.equations[label]
        return self._linked(f"({number})", page, f"equation-{label}")

    def _numbered(self, label: str, shown: str) -> str:
        name, page = self.references.numbered[label]
        return self._linked(shown or name, page, label)

    def _section(self, label: str, shown: str) -> str:
        if label in self.references.numbered:
            return self._numbered(label, shown)
        heading, page = self.references.sections[label]
        if not (heading or shown):
            raise KeyError(label)
        return self._linked(shown or f"“{heading}”", page, label)

    def _term(self, target: str, shown: str) -> str:
        anchor, page = self.references.terms[target.lower()]
        return self._linked(shown or target, page, anchor)

    def _document(self, target: str, shown: str) -> str:
        page = target.lstrip("/")
        if page not in self.references.titles:
            page = f"book/{target}"
        return f"[{shown or self.references.titles[page]}]({self.references.page(page)})"

    def _cite(self, keys: str, around: str, each: str) -> str:
        said = []
        for key in (key.strip() for key in keys.split(",")):
            work = self.references.works[key]
            if key not in self.cited:
                self.cited.append(key)
            text, link = each.format(authors(work), work.fields["year"]), link_of(work)
            said.append(f"[{text}]({link})" if link else text)
        return around.format("; ".join(said))

    # Blocks

    def elsewhere(self, source: str) -> str:
        """What is true of the built page alone gives way to what is said in its place."""
        text = _PAGE_ONLY.sub(lambda found: found[1], source)
        if mark := re.search(r"<!-- (page|elsewhere):.{,40}", text):
            raise UnknownMarkup(f"{self.name}: a page-only mark has no other half: {mark[0]}")
        return text

    def markdown(self, source: str) -> str:
        """A Markdown cell in plain Markdown."""
        source = self.elsewhere(source)
        before = self._open_solution() if self.solution else ""
        body = self._blocks(source.splitlines())
        after = "\n\n</details>" if self.solution else ""
        text = re.sub(r"\n{3,}", "\n\n", before + body + after).strip()
        return re.sub(r"<details><summary>[^\n]*</summary>\s*</details>", "", text).strip()

    def _open_solution(self) -> str:
        return f"<details><summary>{self.solution}</summary>\n\n"

    def _blocks(self, lines: list[str]) -> str:
        out: list[str] = []
        at = 0
        while at < len(lines):
            line = lines[at]
            if fence := _FENCE.match(line):
                end = _closing(lines, at, fence["fence"])
                out.append(
                    self._directive(fence["name"], fence["argument"].strip(), lines[at + 1 : end])
                )
                at = end + 1
            elif plain := _PLAIN.match(line):
                end = _closing(lines, at, plain[1])
                out += lines[at : end + 1]
                at = end + 1
            elif re.fullmatch(r"\([\w:-]+\)=", line.strip()) or line.startswith("% "):
                at += 1
            else:
                end = at
                while end < len(lines) and not (
                    _FENCE.match(lines[end])
                    or _PLAIN.match(lines[end])
                    or re.fullmatch(r"\([\w:-]+\)=", lines[end].strip())
                    or lines[end].startswith("% ")
                ):
                    end += 1
                out.append(self._paragraphs("\n".join(lines[at:end])))
                at = end
        return "\n".join(out)

    def _paragraphs(self, text: str) -> str:
        """Labelled equations get their number, roles their plain form; formulas stay."""

        def number(found: re.Match) -> str:
            label = found[2]
            if label not in self.references.equations:
                raise UnknownMarkup(f"{self.name}: equation {label!r} is not in the built site")
            body = found[1].rstrip()
            return f"$${body}\n\\tag{{{self.references.equations[label][0]}}}\n$$"

        text = re.sub(r"\$\$((?:(?!\$\$).)+?)\$\$ *\(([\w:-]+)\)", number, text, flags=re.S)
        parts = re.split(r"(\$\$.+?\$\$)", text, flags=re.S)
        parts[::2] = [self.inline(part) for part in parts[::2]]
        return "".join(parts)

    def _directive(self, name: str, argument: str, lines: list[str]) -> str:
        options: dict[str, str] = {}
        while lines and (option := re.fullmatch(r":([\w-]+):(.*)", lines[0].strip())):
            options[option[1]] = option[2].strip()
            lines = lines[1:]
        label = options.get("label") or argument
        if name in _QUOTED:
            title = self.inline(argument) if name == "admonition" else name.capitalize()
            return _quote(f"**{title}**", self._blocks(lines))
        if name in _THEOREMS:
            title, _page = self._look_up(options["label"])
            title += f" ({self.inline(argument)})" if argument else ""
            return _quote(f"**{title}.**", self._blocks(lines))
        if name == "prf:proof":
            return f"*Proof.* {self._blocks(lines).strip()} $\\square$\n"
        if name in ("exercise", "exercise-start"):
            title, _page = self._look_up(options["label"])
            return f"**{title}.** {self._blocks(lines).strip()}\n"
        if name in ("solution", "solution-start"):
            title, _page = self._look_up(label)
            summary = f"Solution to {title[0].lower()}{title[1:]}"
            if name == "solution":
                folded = self._blocks(lines).strip()
                return f"<details><summary>{summary}</summary>\n\n{folded}\n\n</details>\n"
            self.solution = summary
            return self._open_solution() + self._blocks(lines)
        if name == "solution-end":
            self.solution = None
            return "\n</details>\n"
        if name == "exercise-end":
            return ""
        if name == "bibliography":
            return self.bibliography()
        if name == "live-lab":
            return self._lab(argument, options)
        if name == "tableofcontents":
            return contents(self.references)
        if name == "code-cell" or name == "code":
            return "\n".join([f"```{argument}", *lines, "```"])
        if name == "math":
            return "\n".join(["$$", *lines, "$$"])
        raise UnknownMarkup(f"{self.name}: no plain form for the directive {{{name}}}")

    def _lab(self, robot: str, options: dict[str, str]) -> str:
        """The call that opens the same lab in a notebook, and where the page has it."""
        page = f"[the built page]({self.references.page(self.name, LAB_ID)})"
        if robot == "own":
            return f"*The viewer for a MuJoCo file is in {page}; a notebook cannot hold it.*\n"
        settings: dict[str, object] = {}
        for key in ("policies", "views"):
            if options.get(key):
                settings[key] = split(options[key])
        if options.get("shift"):
            shift = Shift.parse(options["shift"])
            settings |= {"family": shift.family, "variant": shift.variant}
            settings["strength"] = round(shift.strength, 3)
        arguments = [f'"{robot}"', *(f"{k}={json.dumps(v)}" for k, v in settings.items())]
        others = split(options.get("robots", ""))
        also = f"  # or {', '.join(others)}, with policies of their own" if others else ""
        call = [f"    {argument},{also * (not k)}" for k, argument in enumerate(arguments)]
        return "\n".join(
            [
                f"*In {page} the robots run here. In a notebook, this opens the same:*", "",
                "```python", "import droco_lite", "", "droco_lite.live(", *call, ")", "```", "",
            ]
        )  # fmt: skip

    def _look_up(self, label: str) -> tuple[str, str]:
        try:
            return self.references.numbered[label]
        except KeyError:
            raise UnknownMarkup(f"{self.name}: {label!r} is not in the built site") from None

    def bibliography(self) -> str:
        """The works cited so far, as a list."""
        return "\n".join(entry(self.references.works[key]) for key in sorted(self.cited))


def contents(references: References) -> str:
    """The chapters, as links to their notebooks on Colab."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    lines = []
    for part in toc["parts"]:
        lines.append(f"\n**{part['caption']}**\n")
        for chapter in part["chapters"]:
            page = chapter["file"]
            made = (ROOT / f"{page}.ipynb").is_file()
            target = colab(references.address, page) if made else references.page(page)
            lines.append(f"* [{references.titles[page]}]({target})")
    return "\n".join(lines) + "\n"


def _closing(lines: list[str], opening: int, fence: str) -> int:
    """The line that closes a fence."""
    for number in range(opening + 1, len(lines)):
        line = lines[number].strip()
        if len(line) >= len(fence) and set(line) == {fence[0]}:
            return number
    raise UnknownMarkup(f"a fence is never closed: {lines[opening]}")


def _quote(title: str, body: str) -> str:
    """A block quote; a formula takes one line there, or the quote's marks would join it."""
    body = re.sub(
        r"\$\$.+?\$\$", lambda m: re.sub(r"\s*\n\s*", " ", m[0]), body.strip(), flags=re.S
    )
    lines = [title, "", *body.splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines) + "\n"


# Notebooks ------------------------------------------------------------------------------------


def convert(
    notebook: nbformat.NotebookNode, name: str, references: References
) -> nbformat.NotebookNode:
    """The chapter as a notebook for Colab and JupyterLab; the given one stays as it is."""
    made = nbformat.v4.new_notebook()
    chapter = Chapter(name, references)
    cells, collapsed = [], []
    first_code = True
    for cell in (part for whole in notebook.cells for part in sections(whole)):
        if cell.cell_type == "markdown":
            cell.source = chapter.markdown(cell.source)
            if not cell.source:
                continue
            if "jp-MarkdownHeadingCollapsed" in cell.metadata:
                collapsed.append(cell.id)
        elif cell.cell_type == "code":
            if first_code:
                cell.source += NAMES
            title = "Set-up: run this first" if first_code else chapter.solution
            _fold(cell, title, solution=chapter.solution is not None)
            cell.outputs = [_still(output) for output in cell.outputs]
            first_code = False
        cells.append(cell)
    if chapter.solution:
        raise UnknownMarkup(f"{name}: a solution is never ended")
    made.cells = cells
    kept = {"gpuType": "T4", "name": f"{Path(name).name}.ipynb", "provenance": []}
    made.metadata = nbformat.from_dict(
        {
            "accelerator": "GPU",
            "colab": kept | ({"collapsed_sections": collapsed} if collapsed else {}),
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return made


def _fold(cell, title: str | None, solution: bool = False) -> None:
    """Fold what the page folds: in JupyterLab by metadata, on Colab code as a form."""
    tags = set(cell.metadata.get("tags", []))
    hidden = {}
    if title or tags & {"hide-input", "hide-cell", "remove-cell", "remove-input"}:
        hidden["source_hidden"] = True
    if solution or tags & {"hide-output", "hide-cell", "remove-cell", "remove-output"}:
        hidden["outputs_hidden"] = True
        cell.metadata.collapsed = True  # the same, by the name that older notebooks read
    if not hidden:
        return
    cell.metadata.jupyter = hidden
    # Only a first line may name what runs a cell.
    if "source_hidden" in hidden and not cell.source.startswith("%%"):
        cell.metadata.cellView = "form"
        cell.source = f"# @title {title or 'Code that draws what follows'}\n{cell.source}"


def _still(output):
    """An output without its widget: the still picture and the summary remain."""
    if WIDGET in output.get("data", {}):
        output.data = {kind: value for kind, value in output.data.items() if kind != WIDGET}
    return output


def make(site: Path, folder: Path, root: Path = ROOT) -> list[Path]:
    """Every chapter's notebook.

    Raises:
        UnknownMarkup: a chapter uses a role or directive that has no plain form here.
        FileNotFoundError: the site is not built.
    """
    if not (site / "book").is_dir():
        raise FileNotFoundError(f"{site}: no built book; run make book first")
    references = read_references(site, root)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted((root / "book").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        made = convert(notebook, f"book/{path.stem}", references)
        target = folder / path.name
        target.write_text(nbformat.writes(made), encoding="utf-8")
        written.append(target)
    return written


def write_readme(site: Path, folder: Path) -> None:
    """What stands on the branch of the notebooks, for whoever looks at it there."""
    references = read_references(site)
    lines = ["# Notebooks for Colab", "", f"Made from the chapters of {references.address}.", ""]
    (folder / "README.md").write_text("\n".join([*lines, contents(references)]), encoding="utf-8")


def main(arguments: list[str]) -> None:
    site, folder = (Path(argument) for argument in arguments or ("_build/html", "_build/colab"))
    try:
        written = make(site, folder)
        write_readme(site, folder)
    except (UnknownMarkup, FileNotFoundError) as error:
        sys.exit(str(error))
    print(f"{len(written)} notebooks are in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
