"""What stands in a study's folder: pages, the notebooks behind them, and failure pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .plan import title_of


def failure_of(page: Path) -> Path:
    """Where the failure page of a report is."""
    return page.with_name(f"{page.stem}.failed.html")


def about(notebook: Path) -> dict[str, Any]:
    """What an executed notebook says of itself; empty where it is not one of ours."""
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        return dict(content["metadata"].get("cxlib", {}))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def standing(folder: Path) -> tuple[tuple[Path, str], ...]:
    """The executed notebooks of a segment's folder that stand with their page, and titles."""
    found = []
    for path in sorted(folder.glob("*.ipynb")):
        if path.with_suffix(".html").exists() and about(path):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            found.append((path, title_of(cells, path.stem)))
    return tuple(found)
