"""What a chapter may refer to: numbers and titles of the built site, works of the bibliography."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from pybtex.database import parse_file

from book.address import ROOT, pages_address, stated


@dataclass
class References:
    """What a chapter may refer to, as the built site numbers it.

    Attributes:
        equations: number and page of each label, ``{"wd-g": ("10", "book/wasserstein_dual")}``.
        numbered: name and page of theorems and exercises, ``{"wd-kr": ("Theorem 1", ...)}``.
        sections: heading and page of other labels.
        terms: anchor and page of each term of the glossary, in small letters.
        titles: title of each page, by its path without suffix.
        works: the bibliography, by key.
        substitutions: MyST's, from ``_config.yml``.
        address: the repository's.
    """

    equations: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbered: dict[str, tuple[str, str]] = field(default_factory=dict)
    sections: dict[str, tuple[str, str]] = field(default_factory=dict)
    terms: dict[str, tuple[str, str]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    works: dict = field(default_factory=dict)
    substitutions: dict[str, str] = field(default_factory=dict)
    address: str = "https://github.com/OWNER/REPO"

    def page(self, name: str, anchor: str = "") -> str:
        """Where the built page stands."""
        return f"{pages_address(self.address)}/{name}.html" + (f"#{anchor}" if anchor else "")


def read_references(site: Path, root: Path = ROOT) -> References:
    """Numbers and titles from the built pages, works from the bibliography."""
    found = References(address=stated(root))
    for path in sorted(site.glob("book/*.html")):
        page = f"book/{path.stem}"
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        main = soup.find("article") or soup
        if heading := main.find("h1"):
            found.titles[page] = _text(heading)
        for link in main.select(".eqno a.headerlink"):
            label = link["href"].removeprefix("#equation-")
            found.equations[label] = (_text(link.parent).strip("()"), page)
        for box in main.select("div.admonition[id]"):
            if number := box.select_one(".admonition-title .caption-number"):
                found.numbered[box["id"]] = (_text(number), page)
        for term in main.select("dl.glossary dt[id]"):
            found.terms[_text(term).lower()] = (term["id"], page)
        for place in main.select(
            "[id]"
        ):  # a label may stand before a paragraph: a link needs a name
            found.sections.setdefault(place["id"], ("", page))
        for section in main.select("section[id]"):
            names = [
                section["id"],
                *(span["id"] for span in section.find_all("span", id=True, recursive=False)),
            ]
            if heading := section.find(re.compile("^h[1-6]$")):
                found.sections |= {name: (_text(heading), page) for name in names}
    found.works = dict(parse_file(root / "book/references.bib").entries)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    found.substitutions = (config.get("sphinx", {}).get("config") or {}).get(
        "myst_substitutions", {}
    )
    return found


def _text(element) -> str:
    """An element's text without its permalink."""
    return re.sub(r"\s+", " ", element.get_text().replace("#", "").replace("¶", "")).strip()


def authors(work) -> str:
    """``Qiao et al.``, ``Iyengar``, ``Nilim and El Ghaoui``."""
    people = [" ".join([*p.prelast_names, *p.last_names]) for p in work.persons["author"]]
    people = [re.sub(r"[{}]", "", name) for name in people]
    if len(people) > 2:
        return f"{people[0]} et al."
    return " and ".join(people)


def link_of(work) -> str | None:
    """Where a work can be read."""
    if "doi" in work.fields:
        return f"https://doi.org/{work.fields['doi']}"
    if "eprint" in work.fields:
        return f"https://arxiv.org/abs/{work.fields['eprint']}"
    return work.fields.get("url")


def entry(work) -> str:
    """One line of a list of references."""
    fields = work.fields
    title = re.sub(r"[{}]", "", fields["title"])
    where = fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or ""
    where = f" *{re.sub(r'[{}]', '', where)}*." if where else ""
    link = link_of(work)
    shown = f"[{title}]({link})" if link else title
    return f"* {authors(work)} ({fields['year']}). {shown}.{where}"
