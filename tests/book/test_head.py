"""What the pages' makers leave to be desired by their readers is mended, and nothing else."""

import pytest

from book.head import accessible

FORMULA = r'<span class="math notranslate nohighlight">\(x\)</span>'


@pytest.mark.parametrize(
    ("made", "mended"),
    [
        ('<div id="a" role="doc-biblioentry">', '<div id="a" role="listitem">'),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        ("<tr><th></th><th>x</th></tr>", "<tr><td></td><th>x</th></tr>"),
        ("<div style='overflow-x:auto'>", '<div style="overflow-x:auto" tabindex="0">'),
        ('<div style="overflow-x: auto;">', '<div style="overflow-x:auto" tabindex="0">'),
        (f"so ({FORMULA}), and", f'so <span class="together">({FORMULA}),</span> and'),
        (f"{FORMULA}. Now {FORMULA}", f'<span class="together">{FORMULA}.</span> Now {FORMULA}'),
        ('<p role="note"><th>a</th></p>', '<p role="note"><th>a</th></p>'),
    ],
)
def test_accessible(made, mended):
    assert accessible(made) == mended
