"""The records that executed notebooks carry: made unique on a page, collected over pages."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..result import RECORD_FIELDS, RECORD_MIME

_ID = re.compile(r'(\sid=")([^"]*)(")')
#: How a spreadsheet's formula begins.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def unique_records(notebook: Any) -> None:
    """Give every record of a notebook, and its place on the page, an id of its own.

    The same record shown again loses its second place on the page; another record under the same
    id gets a number behind it, in the record and on the page.
    """
    seen: dict[str, str] = {}
    for output in _outputs(notebook):
        bundle = output["data"].get(RECORD_MIME)
        if not bundle:
            continue
        places: dict[str, list[str]] = {}
        for record in bundle.get("records", ()):
            name = str(record["id"])
            record["id"], shown = _place(name, record, seen)
            places.setdefault(name, []).append("" if shown else record["id"])
        html = output["data"].get("text/html")
        if html is not None:
            output["data"]["text/html"] = _rename(_text(html), places)


def _place(name: str, record: dict[str, Any], seen: dict[str, str]) -> tuple[str, bool]:
    """The id that the record gets, and whether it already stands on the page."""
    content = json.dumps({**record, "id": name}, sort_keys=True)
    number, unique = 1, name
    while unique in seen:
        if seen[unique] == content:
            return unique, True
        number += 1
        unique = f"{name}-{number}"
    seen[unique] = content
    return unique, False


def _rename(html: str, places: dict[str, list[str]]) -> str:
    left = {name: list(ids) for name, ids in places.items()}

    def one(found: re.Match[str]) -> str:
        ids = left.get(found[2])
        if not ids:
            return found[0] if found[2] not in places else ""
        unique = ids.pop(0)
        return f"{found[1]}{unique}{found[3]}" if unique else ""

    return _ID.sub(one, html)


def on_page(path: Path) -> list[dict[str, Any]]:
    """The records of one executed notebook, in the order of its page, each once."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = {}
    page = f"{path.parent.name}/{path.stem}.html"
    for output in _outputs(notebook):
        for record in output["data"].get(RECORD_MIME, {}).get("records", ()):
            found.setdefault(record["id"], {**record, "page": f"{page}#{record['id']}"})
    return list(found.values())


def collect(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The records of several executed notebooks, in their order."""
    return [record for path in paths for record in on_page(path)]


def to_csv(records: Iterable[dict[str, Any]]) -> str:
    """The records as a table that a spreadsheet can open without taking text for a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*RECORD_FIELDS, "page"], extrasaction="ignore", restval="")
    writer.writeheader()
    for record in records:
        writer.writerow({name: _cell(value) for name, value in record.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple):
        value = "; ".join(str(item) for item in value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _outputs(notebook: Any) -> Iterable[Any]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if "data" in output:
                yield output


def _text(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
