"""The built wheel is the whole workbook: installed alone, it reports from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wide


def build(repo: Path, target: str, folder: Path) -> Path:
    """Build ``wheel`` or ``sdist`` into ``folder``, with the build backend of this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory) -> Path:
    """The wheel, built from the checkout."""
    return build(repo, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def house(wheel: Path, tmp_path_factory) -> Path:
    """A clean virtual environment with the wheel in it.

    The dependencies are lent by this environment through a ``.pth`` file, so that no network is
    needed. Editable installs are not: a ``.pth`` file inside a lent folder is not read.
    """
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder)}))
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "lent.pth").write_text("\n".join(sorted(lent)), encoding="utf-8")
    python = folder / "bin" / "python"
    install = ["uv", "pip", "install", "--no-config", "--offline", "--no-index", "--no-deps"]
    done = subprocess.run(
        [sys.executable, "-m", *install, "--python", str(python), str(wheel)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def outside(house: Path, tmp_path: Path):
    """Run a command of the clean environment in an empty folder that knows of no checkout."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "CX_"))}
    env["PATH"] = f"{house / 'bin'}{os.pathsep}{env['PATH']}"
    env["VIRTUAL_ENV"] = str(house)

    def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [house / "bin" / command, *arguments],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def test_the_wheel_carries_the_workbook(repo: Path, wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("notebooks", "data"):
        here = {
            f"cxlib/_workbook/{file.relative_to(repo).as_posix()}"
            for file in (repo / folder).rglob("*")
            if file.is_file() and ".ipynb_checkpoints" not in file.parts
        }
        assert here and here <= names, f"not in the wheel: {sorted(here - names)}"
    template = [name for name in names if name.startswith("cxlib/report/template/")]
    assert template, "the report template is not in the wheel"
    litter = [n for n in names if "__pycache__" in n or ".ipynb_checkpoints" in n or "tests/" in n]
    assert not litter, f"litter in the wheel: {litter}"


def test_the_sdist_is_the_checkout(repo: Path, tmp_path: Path):
    with tarfile.open(build(repo, "sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["pyproject.toml", "Makefile", "LICENSE", "requirements.lock", "environment.yml"]
    wanted += ["cxlib/paths.py", "tests/test_wheel.py", "data/questionnaire.toml"]
    wanted += [path.relative_to(repo).as_posix() for path in (repo / "notebooks").glob("*.ipynb")]
    assert not [name for name in wanted if name not in names]
    assert not [name for name in names if name.startswith((".venv", "reports/sample", ".git/"))]


def test_the_installed_package_finds_its_own_files(house: Path, outside):
    code = "import cxlib, cxlib.paths as p; print(cxlib.__file__); print(p.root())"
    done = outside("python", "-c", code)
    assert done.returncode == 0, done.stderr
    package, root = (Path(line) for line in done.stdout.split())
    assert package.is_relative_to(house), "the checkout was imported, not the wheel"
    assert root == package.parent / "_workbook"


def test_a_report_from_an_empty_folder(outside, tmp_path: Path):
    done = outside("cx", "report", "sample", "--notebook", "00-start-here", "--out", "pages")
    assert done.returncode == 0, done.stdout + done.stderr
    index = tmp_path / "pages" / "sample" / "index.html"
    page = index.read_text(encoding="utf-8")
    assert "<h1" in page and "00-start-here.html" in page
    pages = [path.name for path in index.parent.glob("*/*.html")]
    assert pages == ["00-start-here.html"]
    assert [path.name for path in tmp_path.iterdir()] == ["pages"], "it wrote beside --out"
