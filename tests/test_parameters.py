"""Parameters are typed and strict, for the runner and inside a kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import small_notebooks
from nbformat.v4 import new_code_cell, new_notebook

from cxlib import parameters
from cxlib.errors import CxError

DECLARED = {"study": "sample", "level": 0.95, "seed": 1, "fast": False, "tiers": [5, 10], "x": None}


def notebook(folder: Path, source: str, tag: str = "parameters") -> Path:
    path = folder / "n.ipynb"
    cell = new_code_cell(source, id="a", metadata={"tags": [tag]})
    nbformat.write(new_notebook(cells=[cell]), path)
    return path


def test_declared_reads_literals_in_their_order(tmp_path):
    source = 'study = "sample"  # which\nlevel: float = 0.95\nlow = -1\ntiers = [5, 10]\nx = None'
    found = parameters.declared(notebook(tmp_path, source))
    assert found == {"study": "sample", "level": 0.95, "low": -1, "tiers": [5, 10], "x": None}
    assert list(found)[0] == "study"


@pytest.mark.parametrize(
    "source", ["level = 1 - 0.05", "import os", "a = b = 1", "a, b = 1, 2", "level: float", "x = ("]
)
def test_a_parameter_that_is_no_literal_is_refused(tmp_path, source):
    with pytest.raises(CxError, match="parameter"):
        parameters.declared(notebook(tmp_path, source))


def test_a_notebook_without_parameters_or_no_notebook_is_refused(tmp_path):
    with pytest.raises(CxError, match="declares no parameters"):
        parameters.declared(notebook(tmp_path, "level = 1", tag="setup"))
    with pytest.raises(CxError, match="no such notebook"):
        parameters.declared(tmp_path / "missing.ipynb")
    (tmp_path / "text.ipynb").write_text("not json", encoding="utf-8")
    with pytest.raises(CxError, match="not readable as a notebook"):
        parameters.declared(tmp_path / "text.ipynb")


def test_an_unknown_name_gets_did_you_mean():
    with pytest.raises(CxError, match="did you mean 'level'"):
        parameters.check(DECLARED, {"levle": 0.9}, where="25-loyalty-loss")
    with pytest.raises(CxError, match="did you mean 'level'"):
        parameters.parse(DECLARED, "levle=0.9")


@pytest.mark.parametrize(
    ("name", "value"),
    [("level", "0.9"), ("level", True), ("seed", 1.5), ("seed", True), ("fast", 1), ("study", 3)],
)
def test_a_value_of_another_type_is_refused(name, value):
    with pytest.raises(CxError, match="another type"):
        parameters.check(DECLARED, {name: value}, where="here")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", 0.5),
        ("level", 1),
        ("level", 95.0),
        ("level", float("nan")),
        ("seed", -1),
        ("seed", 2**32),
        ("margin", 0.0),
        ("margin", float("inf")),
        ("bootstrap", 100_001),
        ("bootstrap", -1),
    ],
)
def test_a_value_out_of_range_is_refused(name, value):
    declared = DECLARED | {"margin": 0.05, "bootstrap": 0}
    with pytest.raises(CxError, match=r"out of range|not a number"):
        parameters.check(declared, {name: value}, where="here")


def test_ints_will_do_for_floats_and_edges_are_allowed():
    declared = DECLARED | {"margin": 0.05, "bootstrap": 0}
    given = {"margin": 1, "bootstrap": 100_000, "seed": 0, "level": 0.999}
    checked = parameters.check(declared, given, where="here")
    assert checked["margin"] == 1.0 and isinstance(checked["margin"], float)
    assert checked["bootstrap"] == 100_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("level=0.9", 0.9),
        ("level = 1", 1.0),
        ("seed=7", 7),
        ("fast=yes", True),
        ("fast=false", False),
        ("study=a=b", "a=b"),
        ("tiers=[1, 2]", [1, 2]),
        ("x=plain", "plain"),
    ],
)
def test_parse_gives_the_declared_type(text, value):
    assert parameters.parse(DECLARED, text) == (text.partition("=")[0].strip(), value)


@pytest.mark.parametrize(
    "text", ["level=high", "seed=1.5", "fast=maybe", "tiers=[1", "level", "=1"]
)
def test_parse_refuses_what_it_cannot_read(text):
    with pytest.raises(CxError):
        parameters.parse(DECLARED, text)


def test_check_injected_does_nothing_outside_a_kernel():
    parameters.check_injected()


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("# Parameters\nlevel = 0.9\n", ""),
        ("# Parameters\nlevle = 0.9\n", "did you mean 'level'"),
        ('# Parameters\nlevel = "0.9"\n', "another type"),
        ("# Parameters\nlevel = 1.5\n", "out of range"),
        ("# Parameters\nlevel = float('nan')\n", "plain value"),
    ],
)
def test_check_injected_holds_the_injected_cell_against_the_defaults(
    monkeypatch, injected, message
):
    cells = ["", "level = 0.95\nseed = 1", injected, "import cxlib"]
    monkeypatch.setattr(parameters, "_history", lambda: cells)
    if message:
        with pytest.raises(CxError, match=message):
            parameters.check_injected()
    else:
        parameters.check_injected()


def test_check_injected_knows_the_names_that_the_caller_knows(monkeypatch):
    monkeypatch.setattr(parameters, "_history", lambda: ["", "level = 0.95", "# Parameters\nx = 1"])
    parameters.check_injected(["x"])
    with pytest.raises(CxError, match="unknown parameter"):
        parameters.check_injected(["y"])


@pytest.mark.wide
def test_plain_papermill_is_as_strict(tmp_path):
    import papermill
    from papermill.exceptions import PapermillExecutionError

    path = small_notebooks.write(
        tmp_path, "n", "from cxlib.parameters import check_injected\n\ncheck_injected()\nlevel"
    )
    run = {"kernel_name": "python3", "progress_bar": False}
    papermill.execute_notebook(str(path), None, {"level": 0.9}, **run)
    with pytest.raises(PapermillExecutionError, match="did you mean 'level'"):
        papermill.execute_notebook(str(path), None, {"levle": 0.9}, **run)
