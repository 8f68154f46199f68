"""The runner: whole or not at all, the rest goes on, the same bytes, pages that anyone can read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import small_notebooks as small
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cxlib.errors import CxError
from cxlib.report import records, render
from cxlib.report.fragments import Fragments
from cxlib.report.plan import slug
from cxlib.report.run import report
from cxlib.result import RECORD_MIME

# ── pages ────────────────────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """The elements of a page: (tag, attributes), and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def hold(html: str) -> Page:
    """What every page must be."""
    page = Page(html)
    assert len(page.all("h1")) == 1
    assert not page.all("script", "iframe", "object", "embed", "link", "form", "base")
    assert page.all("html")[0].get("lang")
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "xlink:href", "data", "poster", "srcset"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
        if tag == "a":
            assert not (attributes.get("href") or "").lower().startswith("javascript:")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert "@import" not in style and "url(" not in style and "&" not in style
    assert "Content-Security-Policy" in html and "default-src 'none'" in html
    assert all(attributes.get("alt") for attributes in page.all("img"))
    for attributes in page.all("svg"):
        assert attributes["role"] == "img" and attributes["aria-label"]
    assert all(attributes.get("scope") for attributes in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids)), sorted(i for i in set(ids) if ids.count(i) > 1)
    hrefs = [a["href"][1:] for a in page.all("a") if (a.get("href") or "").startswith("#")]
    assert set(hrefs) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    return page


def notebook(*outputs: dict, markdown: str = "# Title\n\n## Part") -> nbformat.NotebookNode:
    cells = [new_markdown_cell(markdown, id="m")]
    for number, data in enumerate(outputs):
        output = new_output("display_data", data=data.get("data", data))
        output["metadata"] = nbformat.from_dict(data.get("metadata", {}))
        cells.append(new_code_cell(f"x = {number}", id=f"c{number}", outputs=[output]))
    made = new_notebook(cells=cells)
    about = {
        "study": "small",
        "title": "A <small> study",
        "synthetic": False,
        "provenance": "",
        "language": "en",
        "wave": "",
        "notebook": "10-n",
        "segment": "all",
        "label": "sector: <b>bank</b>",
        "where": "",
        "key": "k",
        "version": "1",
        "shown": [["study", "small"], ["level", 0.95]],
    }
    made.metadata["cxlib"] = nbformat.from_dict(about)
    return made


PAGES = (("10-n", "Title"), ("20-m", "Other <i>"))


def test_a_page_of_nothing_is_still_a_page():
    page = hold(render.page(notebook(), pages=PAGES))
    assert "A <small> study · sector: <b>bank</b>" in page.words


def test_the_first_heading_heads_the_page_and_later_ones_do_not():
    html = render.page(notebook(markdown="# One *two*\n\ntext\n\n# Three\n\n## Four\n\n## Four"))
    page = hold(html)
    assert "<h1>One two</h1>" in html
    assert [a["id"] for a in page.all("h2")][:3] == ["three", "four", "four-2"]
    assert [a["href"] for a in page.all("a") if "#four" in (a.get("href") or "")]


def test_the_answer_leads_under_the_title_and_leaves_its_place():
    answer = {"text/html": '<p class="cx-answer">One in three.</p>', "text/plain": "One in three."}
    mime = {render.ANSWER_MIME: {"text": "One in three.", "claim": "C03"}}
    html = render.page(notebook({"text/plain": "before"}, answer | mime))
    assert html.count("One in three.") == 1
    assert html.index("<h1>") < html.index("One in three.") < html.index("before")


def test_pictures_get_words_and_ids_of_their_own():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 9 9"><style>*{fill:red}</style><script>alert(1)</script>'
        '<a xlink:href="https://example.org"><g id="g"/></a><use xlink:href="#g"/>'
        '<rect clip-path="url(#g)" style="fill:url(https://example.org/x)" onload="x()"/></svg>'
    )
    about = {"image/svg+xml": {"alt": 'A "bar" <of> 3'}}
    both = {"data": {"image/svg+xml": svg}, "metadata": about}
    html = render.page(notebook(both, both, {"image/png": "iVBORw0KGgo=\n", "text/plain": "A dot"}))
    page = hold(html)
    assert [a["aria-label"] for a in page.all("svg")] == ['A "bar" <of> 3'] * 2
    assert page.all("img") == [{"src": "data:image/png;base64,iVBORw0KGgo=", "alt": "A dot"}]
    assert 'href="#p1-g"' in html and "url(#p2-g)" in html
    assert "viewBox" in html and "*{" not in html and "example.org" not in html


def test_hostile_output_is_tame():
    bad = (
        '<p onclick="x()" id="main">a<script>b</script><style>body{display:none}</style>'
        '<a href="javascript:x()">c</a><a href="data:text/html,x">d</a>'
        '<img src="https://example.org/x.png" alt="e"><img src="data:image/png;base64,AA==">'
        '<iframe src="//example.org"></iframe><form action="/x"><input></form>'
        '<span style="background:url(//example.org)">f</span><h1>g</h1><table><tr><th>h</th></tr>'
        "</table></p></div></main><!-- --><svg viewBox='0 0 1 1' role='img' aria-label='i'></svg>"
    )
    html = render.page(notebook({"text/html": bad}, {"text/plain": "<script>j</script>\x1b[31m k"}))
    page = hold(html)
    assert "example.org" not in html and "display:none}" not in html.split("</style>", 1)[1]
    assert "<script>j</script> k" in page.words
    assert html.count("</main>") == 1


def test_tables_get_scopes_and_a_box_to_scroll_in():
    frame = (
        '<table border="1" class="dataframe"><thead><tr><th></th><th colspan="2">n</th></tr>'
        '</thead><tbody><tr><th rowspan="2">a</th><td>1</td><td>2</td></tr></tbody></table>'
    )
    html = render.page(notebook({"text/html": frame}, markdown="# T\n\n|a|b|\n|-|-|\n|1|2|"))
    page = hold(html)
    assert [a["scope"] for a in page.all("th")][:4] == ["col", "col", "colgroup", "rowgroup"]
    boxes = [a for a in page.all("div") if a.get("class") == "cx-table"]
    assert len(boxes) == 3 and all(a["tabindex"] == "0" and a["aria-label"] for a in boxes)


def test_links_to_other_notebooks_become_links_to_their_pages():
    links = "# T\n\n[a](20-m.ipynb#x) [b](30-gone.ipynb) [c](../data/x.md) [d](https://example.org)"
    html = render.page(notebook(markdown=links), pages=PAGES)
    assert '<a href="20-m.html#x">a</a>' in html
    assert ">b<" not in html and ">c<" not in html
    assert '<a href="https://example.org" rel="noopener noreferrer">d</a>' in html


def test_appendix_and_settings_are_folded():
    made = notebook(markdown="# T")
    tagged = ("parameters", "level = 0.9"), ("setup", "import cxlib"), ("appendix", "proof = 1")
    for number, (tag, source) in enumerate(tagged):
        made.cells.append(new_code_cell(source, id=f"t{number}", metadata={"tags": [tag]}))
    made.cells.append(new_markdown_cell("More proof", id="t9", metadata={"tags": ["appendix"]}))
    html = render.page(made)
    hold(html)
    assert html.count("<summary>Appendix</summary>") == 1
    folded = html[html.index('<details class="appendix">') : html.index("</article>")]
    assert "More proof" in folded and "import" not in folded
    assert "import" in html[html.index("<summary>Set-up code</summary>") :]


def test_the_style_sheet_is_small():
    assert len(render.css()) < 12_000


# ── records ──────────────────────────────────────────────────────────────────────────────────────


def bundle(*values: float, name: str = "r-a") -> dict:
    found = [{"id": name, "claim": "C03", "kind": "estimate", "value": value} for value in values]
    html = "".join(f'<p id="{name}">{value}</p>' for value in values)
    return {"text/html": html, RECORD_MIME: {"records": found}}


def test_a_record_shown_twice_keeps_one_place_and_another_gets_a_number(tmp_path):
    made = notebook(bundle(1, 2), bundle(1), bundle(3))
    records.unique_records(made)
    html = render.page(made)
    hold(html)
    ids = re.findall(r'<p id="(r-[^"]+)">(\d)', html)
    assert ids == [("r-a", "1"), ("r-a-2", "2"), ("r-a-3", "3")]
    path = tmp_path / "all" / "10-n.ipynb"
    path.parent.mkdir()
    nbformat.write(made, path)
    assert [(r["id"], r["value"]) for r in records.on_page(path)] == [
        ("r-a", 1),
        ("r-a-2", 2),
        ("r-a-3", 3),
    ]
    assert records.on_page(path)[1]["page"] == "all/10-n.html#r-a-2"


def test_text_in_the_table_is_never_a_formula_and_numbers_stay_numbers():
    made = [
        {"name": text, "value": -1.5, "n": 3} for text in ("=1+1", "+x", "-x", "@x", "\tx", "x")
    ]
    rows = list(csv.DictReader(io.StringIO(records.to_csv(made))))
    assert [row["name"] for row in rows] == ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "x"]
    assert {row["value"] for row in rows} == {"-1.5"}


def test_folders_of_segments_are_safe():
    assert slug("sector=1") == "sector-1"
    assert slug("../../etc=/x") == "etc-x"
    assert slug("all") == "all-segment"
    assert slug("名前") and re.fullmatch("[a-z0-9-]+", slug("名前"))
    assert len(slug("x=" + "y" * 300)) <= 60


def test_internal_references_follow_renamed_ids():
    fragments = Fragments()
    fragments.html('<p id="a"></p>')
    assert 'href="#a-2"' in fragments.html('<p id="a"><a href="#a">x</a></p>')


# ── wrong input: nothing runs, nothing is touched ────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"settings": ["levle=0.9"]}, "did you mean 'level'"),
        ({"settings": ["level=high"]}, "another type"),
        ({"settings": ["level=1.5"]}, "out of range"),
        ({"settings": ["level"]}, "NAME=VALUE"),
        ({"settings": ["study=x"]}, "set by the runner"),
        ({"notebooks": ["10-godo"]}, "did you mean '10-good'"),
        ({"jobs": 0}, "--jobs"),
        ({"studies": []}, "no study"),
    ],
)
def test_wrong_input_stops_before_anything_runs(tmp_path, given, message):
    small.good(tmp_path / "notebooks")
    given = {"studies": [str(small.study(tmp_path))]} | given
    with pytest.raises(CxError, match=re.escape(message)):
        run(tmp_path, **given)
    assert not (tmp_path / "out").exists()


def test_two_studies_of_one_name_are_refused(tmp_path):
    small.good(tmp_path / "notebooks")
    (tmp_path / "a").mkdir()
    with pytest.raises(CxError, match="same name"):
        run(tmp_path, studies=[str(small.study(tmp_path)), str(small.study(tmp_path / "a"))])


def test_a_notebook_without_study_and_where_is_refused(tmp_path):
    path = small.good(tmp_path / "notebooks")
    path.write_text(path.read_text().replace("where = ", "there = "), encoding="utf-8")
    with pytest.raises(CxError, match="does not declare where"):
        run(tmp_path)


def run(home: Path, out: str = "out", studies: list[str] | None = None, **given):
    chosen = [str(home / "small.toml")] if studies is None else studies
    if not (home / "small.toml").exists():
        small.study(home)
    options = {"folder": home / "notebooks", "opener": small.opener, "out": home / out}
    return report(chosen, **(options | given))


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run with a notebook of every fate: the good and the bad."""
    home = tmp_path_factory.mktemp("runs")
    folder = home / "notebooks"
    small.good(folder)
    small.write(folder, "20-fails", "## Before", "x = 1", "1 / 0", title="It fails")
    small.write(folder, "30-warns", "import warnings\n\nwarnings.warn('careful', stacklevel=1)")
    small.write(folder, "40-hostile", small.HOSTILE)
    small.write(folder, "50-dies", "import os\n\nos._exit(3)")
    small.write(folder, "55-kills", "import os\n\nos.kill(os.getppid(), 9)")
    error = "raise CxError('no such question', got='x', want='y', do='did you mean z?')"
    small.write(folder, "60-says", f"from cxlib.errors import CxError\n\n{error}")
    score = "import json\nfrom pathlib import Path\n\n"
    score += "sorted({r['id'] for r in json.loads(Path(records).read_text())})"
    path = small.write(folder, "90-scorecard", score)
    path.write_text(path.read_text().replace("level = 0.95", 'level = 0.95\\nrecords = \\"\\"'))
    return home, run(home, jobs=2)


@pytest.mark.wide
def test_the_rest_runs_and_the_exit_code_says_so(made):
    _, outcome = made
    status = {result.notebook: result.status for result in outcome.results}
    assert status == {
        "10-good": "made",
        "20-fails": "failed",
        "30-warns": "failed",
        "40-hostile": "made",
        "50-dies": "failed",
        "55-kills": "failed",
        "60-says": "failed",
        "90-scorecard": "made",
    }
    assert outcome.exit_code == 1


@pytest.mark.wide
def test_every_page_is_readable_by_anyone(made):
    home, _ = made
    pages = sorted((home / "out").rglob("*.html"))
    assert len(pages) == 9
    for path in pages:
        page = hold(path.read_text(encoding="utf-8"))
        assert "Synthetic data:" in page.words
        assert str(home) not in path.read_text() and str(Path.home()) not in path.read_text()
        for link in page.all("a"):
            href = (link.get("href") or "").partition("#")[0]
            if href and "//" not in href:
                assert (path.parent / href).exists(), (path.name, href)


@pytest.fixture(scope="module")
def browser():
    """A headless browser of the system."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.skip("no chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.wide
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_finds_nothing_to_complain_of(made, browser, scheme):
    from axe_playwright_python.sync_playwright import Axe

    home, _ = made
    context = browser.new_context(
        bypass_csp=True, color_scheme=scheme, viewport={"width": 360, "height": 800}
    )
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    for path in sorted((home / "out").rglob("*.html")):
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path.name
        found = Axe().run(page).response["violations"]
        assert not found, (path.name, [(v["id"], v["nodes"][0]["html"][:200]) for v in found])
    assert all(url.startswith(("file:", "data:")) for url in asked)
    context.close()


@pytest.mark.wide
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("20-fails", ["20-fails, cell 5", "division by zero", "ZeroDivisionError", "1 / 0"]),
        ("30-warns", ["30-warns, cell 3", "UserWarning", "careful", "without warnings"]),
        ("50-dies", ["50-dies, cell 3", "the kernel ended", "os._exit(3)"]),
        ("55-kills", ["the process that ran the notebook ended", "exit code -9"]),
        ("60-says", ["60-says, cell 3", "no such question", "did you mean z?"]),
    ],
)
def test_a_failure_page_names_cell_and_cause(made, name, words):
    home, _ = made
    page = Page((home / "out/small/all" / f"{name}.failed.html").read_text(encoding="utf-8"))
    said = " ".join(page.words.split())
    for word in ["A small study", "all respondents", "no earlier report", *words]:
        assert word in said
    assert not (home / "out/small/all" / f"{name}.html").exists()


@pytest.mark.wide
def test_the_index_has_a_line_a_claim_with_its_evidence(made):
    home, _ = made
    html = (home / "out/small/index.html").read_text(encoding="utf-8")
    page = Page(html)
    claims = [a["id"] for a in page.all("li") if re.fullmatch(r"c\d\d", a.get("id") or "")]
    assert sorted(claims) == [f"c{n:02}" for n in range(1, 26)]
    assert 'href="all/10-good.html#r-c03-against-pwc-2018-against-pwc2018-leave1-global"' in html
    assert "5 reports could not be made" in page.words
    assert "cx-consistent" in html and "cx-not-asked" in html


@pytest.mark.wide
def test_the_scorecard_reads_the_records_of_the_others(made):
    home, _ = made
    html = (home / "out/small/all/90-scorecard.html").read_text(encoding="utf-8")
    assert "r-c03-leave-after-one-bad-experience" in html
    notebook = (home / "out/small/all/90-scorecard.ipynb").read_text(encoding="utf-8")
    assert '"../records.json' in notebook.replace("'", '"') and ".staged" not in notebook


@pytest.mark.wide
def test_nothing_but_the_reports_is_left(made):
    home, _ = made
    files = {p.relative_to(home / "out/small").as_posix() for p in (home / "out").rglob("*.*")}
    names = ("10-good", "40-hostile", "90-scorecard")
    wanted = {f"all/{name}.{suffix}" for name in names for suffix in ("html", "ipynb")}
    failed = ("20-fails", "30-warns", "50-dies", "55-kills", "60-says")
    wanted |= {f"all/{name}.failed.html" for name in failed}
    beside = ("index.html", "records.json", "records.csv", "manifest.json", "run.json")
    assert files == wanted | set(beside)


@pytest.mark.wide
def test_the_same_inputs_give_the_same_bytes(made, tmp_path, monkeypatch):
    home, _ = made
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "x.py").write_text("print('a startup file of the user')", encoding="utf-8")
    run(home, out="again", jobs=1)
    first, second = home / "out/small", home / "again/small"
    same = ["index.html", "records.json", "records.csv", "manifest.json"]
    same += [p.relative_to(first).as_posix() for p in sorted(first.glob("all/*"))]
    for name in same:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    manifest = json.loads((first / "manifest.json").read_text())
    assert set(manifest) == {"cxlib", "study", "inputs", "notebooks", "reports", "packages"}
    assert str(home) not in (first / "manifest.json").read_text()


@pytest.mark.wide
def test_what_has_not_changed_is_not_made_again(made):
    home, _ = made
    page = home / "out/small/all/10-good.html"
    before = page.stat().st_mtime_ns, page.read_bytes()
    outcome = run(home, notebooks=["10"])
    assert [result.status for result in outcome.results] == ["unchanged"]
    assert (page.stat().st_mtime_ns, page.read_bytes()) == before
    outcome = run(home, notebooks=["10"], force=True)
    assert [result.status for result in outcome.results] == ["made"]
    assert page.read_bytes() == before[1]
    page.write_text(before[1].decode()[:5000], encoding="utf-8")
    assert [result.status for result in run(home, notebooks=["10"]).results] == ["made"]
    assert page.read_bytes() == before[1]


@pytest.mark.wide
def test_a_failing_notebook_leaves_the_last_good_report(tmp_path):
    folder, page = tmp_path / "notebooks", tmp_path / "out/small/all/10-good.html"
    small.write(folder, "10-good", "'all is well'")
    assert run(tmp_path).exit_code == 0
    good = page.read_bytes()
    small.write(folder, "10-good", "1 / 0")
    assert run(tmp_path).exit_code == 1
    assert page.read_bytes() == good
    failure = page.with_name("10-good.failed.html")
    assert "last good report" in failure.read_text(encoding="utf-8")
    index = (tmp_path / "out/small/index.html").read_text(encoding="utf-8")
    assert 'href="all/10-good.failed.html"' in index and 'href="all/10-good.html"' in index
    small.write(folder, "25-loyalty-loss", "1 / 0")
    run(tmp_path)
    index = (tmp_path / "out/small/index.html").read_text(encoding="utf-8")
    assert "The report that answers it could not be made." in index
    (folder / "25-loyalty-loss.ipynb").unlink()
    small.write(folder, "10-good", "'all is well'")
    assert run(tmp_path).exit_code == 0
    assert page.read_bytes() == good and not failure.exists()


@pytest.mark.wide
def test_segments_have_folders_and_settings_reach_who_declares_them(tmp_path):
    small.write(tmp_path / "notebooks", "10-good", "f'{where} at {level}'")
    outcome = run(tmp_path, by=["sector"], settings=["level=0.9"])
    assert [result.segment for result in outcome.results] == [
        "all",
        "sector-old-new",
        "sector-old-new-2",
    ]
    html = (tmp_path / "out/small/sector-old-new/10-good.html").read_text(encoding="utf-8")
    assert "sector=Old &amp; new at 0.9" in html
    assert "sector: Old &amp; new" in (tmp_path / "out/small/index.html").read_text()
    assert "sector-old-new-2/10-good.html" in (tmp_path / "out/small/index.html").read_text()


@pytest.mark.wide
def test_a_page_links_only_to_pages_that_stand(tmp_path):
    folder = tmp_path / "notebooks"
    small.write(folder, "10-good", "1")
    run(tmp_path)
    page = tmp_path / "out/small/all/10-good.html"
    assert "20-more" not in page.read_text()
    small.write(folder, "20-more", "1", title="More of it")
    run(tmp_path, notebooks=["20"])
    assert 'href="20-more.html">More of it' in page.read_text()


@pytest.mark.wide
def test_a_second_run_into_the_same_folder_is_refused(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    small.write(tmp_path / "notebooks", "10-good", "1")
    folder = tmp_path / "out" / "small"
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(CxError, match="another run"):
            run(tmp_path)
    finally:
        os.close(handle)
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_to_is_wrong_input(tmp_path):
    small.good(tmp_path / "notebooks")
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(CxError, match="cannot be written"):
        run(tmp_path)
