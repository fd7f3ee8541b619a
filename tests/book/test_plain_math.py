"""Formulas as plain text keep what a reader needs, and no backslash."""

import re

import pytest
from chapters import ROOT

from book.plain_math import plain_math


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"\beta", "β"),
        (r"r + \gamma \min_i V", "r + γ min_i V"),
        (r"\beta \le 1", "β ≤ 1"),
        (r"\varepsilon, \varphi, \lambda, \Gamma", "ε, φ, λ, Γ"),
        (r"\hat P_{\text{tar}}(s, a)", "P_tar(s, a)"),
        (r"\lVert s' \rVert", "‖ s' ‖"),
        (r"\tfrac12", "1/2"),
        (r"\frac{a + b}{N}", "(a + b)/N"),
        (r"\sqrt{2/n}", "√(2/n)"),
        (r"10^{6}, x^2", "10⁶, x²"),
        (r"\{0, 1\}", "{0, 1}"),
        (r"\mathbb E\big[x\big]\,y", "E[x] y"),
        (r"\operatorname{mean}_e q_e", "mean_e q_e"),
        ("x", "x"),
    ],
)
def test_plain_math(tex, plain):
    assert plain_math(tex) == plain


def test_no_formula_in_a_line_of_the_book_keeps_a_backslash():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.ipynb")]
    formulas = {tex for page in pages for tex in re.findall(r"(?<!\$)\$([^$\n\"]+)\$(?!\$)", page)}
    formulas = {tex.replace("\\\\", "\\") for tex in formulas}
    assert len(formulas) > 300
    assert [tex for tex in formulas if "\\" in plain_math(tex)] == []
