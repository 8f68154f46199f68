"""Small notebooks and a small study for the tests of the runner: nothing of the workbook's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'study = "small"\nwhere = ""\nlevel = 0.95'

RESULT = """from cxlib.result import Estimate, Origin
from cxlib.verdict import Comparison

here = Origin(study="small", notebook="10-good", synthetic=True)
ours = Estimate(value=0.34, low=0.31, high=0.37, unit="share", n=1500, n_eff=900, level=level,
                name="Leave after one bad experience", claim="C03", method="logit", origin=here)
ours"""

COMPARISON = """theirs = Estimate(value=0.32, low=0.31, high=0.33, unit="share", n=15000)
gap = Estimate(value=0.02, low=-0.01, high=0.05, unit="share points", n=1500)
Comparison(name="Against PwC 2018", verdict="consistent", ours=ours, theirs=theirs, difference=gap,
           margin=0.05, benchmark="pwc2018_leave1_global", claim="C03", primary=True, p=0.01,
           sentence="34 % would leave, much like the published 32 %.", origin=here,
           reasons=("the 90 % interval lies inside the margin",), cautions=("other countries",))"""

ANSWER = """from cxlib.page import Answer

Answer("About one in three would leave a brand they love after one bad experience.", ("C03",))"""

PICTURE = """from IPython.display import SVG, display

drawing = ('<svg xmlns="http://www.w3.org/2000/svg" width="200pt" height="100pt" '
           'viewBox="0 0 200 100"><defs><clipPath id="c"><path d="M0 0h99v99z"/></clipPath>'
           '<style>*{stroke-linejoin:round}</style></defs><rect id="r" width="90" height="50" '
           'clip-path="url(#c)" fill="var(--cx-ours,#0072b2)"/></svg>')
display(SVG(drawing), metadata={"image/svg+xml": {"alt": "A bar of 34 %"}})
display(SVG(drawing), metadata={"image/svg+xml": {"alt": "The same bar"}})"""

FRAME = """import pandas as pd

pd.DataFrame({"share": [0.1, 0.2], "n": [10, 20]}, index=["shop", "web"])"""

HOSTILE = """from cxlib.result import Estimate
from IPython.display import HTML, display

bad = '</title><script>alert(1)</script><img src=x onerror=alert(2)>'
display(HTML('<p onclick="alert(3)">shown<script>alert(4)</script>'
             '<img src="https://example.org/x.png"><iframe src="https://example.org"></iframe>'
             '<a href="javascript:alert(5)">link</a><style>body{display:none}</style></p>'))
display(Estimate(value=0.5, low=0.4, high=0.6, unit="share", n=50, name=bad, claim="C05"))
print(bad)"""


def write(folder: Path, name: str, *cells: object, title: str = "") -> Path:
    """A notebook of Markdown (texts that begin with ``#`` or ``>``) and code cells."""
    made = [new_markdown_cell(f"# {title or name}\n\nWhat is asked here?")]
    made.append(new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}))
    for cell in cells:
        if isinstance(cell, str):
            cell = new_markdown_cell(cell) if cell.startswith(("#", ">")) else new_code_cell(cell)
        made.append(cell)
    for number, cell in enumerate(made):
        cell["id"] = f"cell-{number}"
    path = folder / f"{name}.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=made, metadata={"kernelspec": kernel}), path)
    return path


def good(folder: Path, name: str = "10-good") -> Path:
    """A notebook with one of everything that a page shows."""
    cells = (RESULT, "## What we found", COMPARISON, "### A picture", PICTURE, "## A table", FRAME)
    return write(folder, name, ANSWER, *cells, title="Who would leave?")


def study(folder: Path) -> Path:
    """A study file; its content is never read here."""
    path = folder / "small.toml"
    path.write_text('title = "A small study"\n', encoding="utf-8")
    return path


def opener(path: str, *, where: str = "", **_: object) -> SimpleNamespace:
    """What ``open_study`` gives, as far as the runner looks at it."""
    content = Path(path).read_bytes()
    return SimpleNamespace(
        path=Path(path),
        name=Path(path).stem,
        title="A small study",
        synthetic=True,
        provenance="Made up for the tests.",
        language="en",
        survey=SimpleNamespace(origin=SimpleNamespace(wave="2026")),
        inputs=lambda: {"study": hashlib.sha256(content).hexdigest()},
        segments=lambda column: (f"{column}=Old & new", f"{column}=old-new"),
        segment_label=lambda where: where.replace("=", ": ") or "all respondents",
        notebooks=lambda: (),
    )
