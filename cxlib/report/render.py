"""An executed notebook as one self-contained HTML page, by nbconvert and the template beside this.

A page needs no script and loads nothing. It depends on the notebook, the names of the pages beside
it and the template alone, so the same notebook gives the same bytes.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..page import ANSWER_MIME
from ..result import RECORD_MIME
from . import manifest
from .fragments import Fragments
from .plan import title_of

TEMPLATE = Path(__file__).resolve().parent / "template"

#: What a page of a synthetic study says at its head.
SYNTHETIC = "simulated to show the method; says nothing about real customers."

_PRIORITY = ["text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain"]
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def page(notebook: Any, *, pages: Sequence[tuple[str, str]] = ()) -> str:
    """The page of an executed notebook.

    Parameters
    ----------
    notebook : NotebookNode
        With what the page says of itself in ``metadata.cxlib``.
    pages : sequence of (name, title)
        The pages of the same segment, this one among them.
    """
    notebook = copy.deepcopy(notebook)
    about = dict(notebook.metadata["cxlib"])
    fragments = Fragments(_record_ids(notebook), dict(pages))
    lead = _lift_answers(notebook, fragments)
    title = _lift_title(notebook, about["notebook"])
    settings = _prepare(notebook, fragments)
    context = {
        "about": about,
        "title": title,
        "lead": lead,
        "sections": fragments.sections,
        "settings": settings,
        "parameters": [(name, _shown(name, value)) for name, value in about["shown"]],
        "pages": [{"name": name, "title": text} for name, text in pages],
        "pages_key": pages_key(pages),
        "synthetic": SYNTHETIC,
    }
    html, _ = _exporter().from_notebook_node(notebook, {"cx": context})
    return _trim(html)


def pages_key(pages: Sequence[tuple[str, str]]) -> str:
    """A short digest of the pages that a page links to."""
    return manifest.digest(manifest.dumps([list(page) for page in pages]))[:16]


def failure_page(failure: Any, about: dict[str, Any], *, stands: bool) -> str:
    """The page that says why a report could not be made; ``stands``: an earlier one still does."""
    context = {"failure": failure, "about": about, "stands": stands, "synthetic": SYNTHETIC}
    return _trim(_environment().get_template("failed.html.j2").render(cx=context))


def index_page(context: dict[str, Any]) -> str:
    """The index of a study from its context (see :mod:`cxlib.report.index`)."""
    return _trim(
        _environment().get_template("index.html.j2").render(cx=context | {"synthetic": SYNTHETIC})
    )


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup(css())
    return environment


@cache
def css() -> str:
    """The style sheet, without comments and indentation."""
    text = (TEMPLATE / "style.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "\n", text).strip()


@cache
def _exporter() -> Any:
    from nbconvert.exporters.templateexporter import TemplateExporter
    from traitlets.config import Config

    class PageExporter(TemplateExporter):
        """nbconvert's exporter with the house's template, and no other place to look for one."""

        output_mimetype = "text/html"
        file_extension = ".html"
        template_name = "base"

    exporter = PageExporter(
        config=Config({"NbConvertBase": {"display_data_priority": _PRIORITY}}),
        template_paths=[str(TEMPLATE), *_nbconvert_templates()],
        template_file="page.html.j2",
    )
    exporter.environment.globals["css"] = css()
    return exporter


def _nbconvert_templates() -> list[str]:
    """Where nbconvert's own templates are: beside its package as installed, else in the prefix.

    Jupyter's search path is not asked, so that nothing of a user's own changes a page.
    """
    from importlib.metadata import files

    base = "nbconvert/templates/base/display_priority.j2"
    found = [file for file in files("nbconvert") or () if file.as_posix().endswith(base)]
    beside = [str(Path(file.locate()).resolve().parents[1]) for file in found]
    return [*beside, str(Path(sys.prefix, "share", "jupyter", "nbconvert", "templates"))]


def _record_ids(notebook: Any) -> set[str]:
    return {
        str(record["id"])
        for _, output in _bundles(notebook)
        for record in output.data.get(RECORD_MIME, {}).get("records", ())
    }


def _bundles(notebook: Any) -> list[tuple[Any, Any]]:
    return [
        (cell, output)
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "data" in output
    ]


def _lift_answers(notebook: Any, fragments: Fragments) -> list[str]:
    """Take the sentences that answer the page's question out of their places."""
    lead = []
    for cell, output in _bundles(notebook):
        if ANSWER_MIME in output.data:
            html = output.data.get("text/html")
            text = output.data[ANSWER_MIME].get("text", "")
            lead.append(fragments.html(html or f'<p class="cx-answer">{escape(text)}</p>'))
            cell.outputs.remove(output)
    return lead


def _lift_title(notebook: Any, name: str) -> str:
    """Take the first heading of level one out of its cell: it heads the page."""
    title = title_of(notebook.cells, name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cut, found = re.subn(r"^#\s+.+$", "", cell.source, count=1, flags=re.MULTILINE)
            if found:
                cell.source = cut.strip()
                break
    return title


def _prepare(notebook: Any, fragments: Fragments) -> list[str]:
    """Make every cell's HTML, and return the code that only sets the notebook up."""
    settings, pending = [], []
    appendix = False
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", ())
        mark = {"opens": False, "closes": appendix and "appendix" not in tags, "code": []}
        if "appendix" in tags:
            mark["opens"], appendix = not appendix, True
        else:
            appendix = False
        if cell.cell_type == "markdown":
            cell.source = fragments.markdown(_markdown(cell.source)) if cell.source else ""
        elif cell.cell_type == "code":
            for output in cell.outputs:
                _output(output, fragments)
            if {"parameters", "setup", "injected-parameters"} & set(tags):
                if "injected-parameters" not in tags:
                    settings.append(_highlight(cell.source))
            else:
                pending.append(_highlight(cell.source))
                if cell.outputs:
                    mark["code"], pending = pending, []
        cell.metadata["cx"] = mark
    if pending and notebook.cells:
        notebook.cells[-1].metadata["cx"]["code"] += pending
    notebook.metadata["cx"] = {"closes": appendix}
    return settings


def _output(output: Any, fragments: Fragments) -> None:
    if output.output_type == "stream":
        output.text = escape(_ANSI.sub("", output.text))
        return
    data = output.get("data", {})
    for kind in _PRIORITY:
        if kind in data:
            data[kind] = _piece(kind, data, output.get("metadata", {}), fragments)
            break


def _piece(kind: str, data: Any, about: Any, fragments: Fragments) -> str:
    content = data[kind] if isinstance(data[kind], str) else "".join(data[kind])
    own = about.get(kind, {})
    alt = str(own.get("alt") or about.get("alt") or "")
    if not alt and not data.get("text/plain", "").startswith(("<", "Figure(")):
        alt = data.get("text/plain", "")
    if kind == "text/html":
        return fragments.html(content)
    if kind == "image/svg+xml":
        return fragments.picture(content, alt)
    if kind.startswith("image/"):
        return fragments.image(kind, content, alt, own.get("width"))
    if kind == "text/markdown":
        return fragments.markdown(_markdown(content))
    return f'<pre class="out" tabindex="0">{escape(_ANSI.sub("", content))}</pre>'


def _markdown(text: str) -> str:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(text)


def _highlight(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")


def _shown(name: str, value: Any) -> str:
    if name == "where" and value == "":
        return "all respondents"
    return value if isinstance(value, str) and value else repr(value)


def _trim(html: str) -> str:
    """No trailing blanks and no empty lines outside of preformatted text."""
    parts = re.split(r"(<pre\b.*?</pre>)", html, flags=re.DOTALL)
    for place in range(0, len(parts), 2):
        parts[place] = re.sub(r"[ \t]*\n\s*", "\n", parts[place])
    return "".join(parts).strip() + "\n"
