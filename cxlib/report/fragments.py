"""Pieces of a page made fit to stand on it: safe, accessible, and with ids that never repeat.

A piece is the HTML of a Markdown cell or of an output, or an SVG picture. Nothing that loads or
runs anything survives; tables get header scopes and a box in which they scroll; pictures get words.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit

#: What is said of a picture that came without words.
NO_ALT = "Picture without a description"

_BANNED = re.compile(
    "^(applet|audio|base|button|embed|form|frame|frameset|head|iframe|input|link|math|meta|noscript"
    "|object|script|select|source|style|template|textarea|title|track|video)$"
)
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_LOADS = re.compile(r"@import|url\(\s*['\"]?(?!#)|expression\(|javascript:", re.IGNORECASE)
_REFERS = ("aria-labelledby", "aria-describedby", "aria-controls", "for", "headers")

ET.register_namespace("", _SVG)
ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")


class Fragments:
    """The pieces of one page.

    Parameters
    ----------
    records : collection of str
        The ids of the page's records: theirs whatever else would like to have them.
    pages : mapping
        Notebook names that have a page beside this one, so that links to them can stay.
    """

    def __init__(self, records: Collection[str] = (), pages: Mapping[str, str] | None = None):
        self.sections: list[dict[str, Any]] = []
        self._records = set(records)
        self._used: set[str] = set(_OURS)
        self._pages = pages or {}
        self._pictures = 0
        self._tables: dict[str, int] = {}

    def html(self, text: str) -> str:
        """The HTML of an output."""
        soup = self._soup(text)
        for heading in soup.find_all(re.compile("^h[1-6]$")):
            level = int(heading.name[1])
            heading.name = f"h{max(3, level)}"
        renamed = {}
        for element in soup.find_all(id=True):
            old = str(element["id"])
            element["id"] = renamed[old] = self._unique(old, record=old in self._records)
        _follow(soup, renamed)
        return str(soup)

    def markdown(self, text: str) -> str:
        """The HTML of a Markdown cell; its headings become sections of the contents list."""
        soup = self._soup(text)
        for heading in soup.find_all("h1"):
            heading.name = "h2"
        for heading in soup.find_all(re.compile("^h[2-6]$")):
            words = heading.get_text(" ", strip=True)
            heading["id"] = self._unique(_slug(words))
            if heading.name in ("h2", "h3"):
                level = int(heading.name[1])
                self.sections.append({"level": level, "text": words, "id": heading["id"]})
        return str(soup)

    def picture(self, svg: str, alt: str = "") -> str:
        """An SVG picture, inlined; its ids get a prefix of their own."""
        self._pictures += 1
        prefix = f"p{self._pictures}-"
        root = ET.fromstring(svg)
        for parent in root.iter():
            for child in list(parent):
                if not isinstance(child.tag, str) or _local(child.tag) in _UNSAFE_SVG:
                    parent.remove(child)
        for element in root.iter():
            _tame(element, prefix)
        _lift_style(root)
        root.attrib.pop("class", None)
        if root.get("viewBox") and root.get("style", "").find("height") < 0:
            root.attrib.pop("height", None)
            style = root.get("style", "")
            root.set("style", f"{style + ';' if style else ''}max-width:100%;height:auto")
        root.set("role", "img")
        root.set("aria-label", alt or root.get("aria-label") or NO_ALT)
        root.set("focusable", "false")
        drawing = ET.tostring(root, encoding="unicode")
        return f'<figure class="picture">{drawing}</figure>'

    def image(self, kind: str, base64: str, alt: str = "", width: object = None) -> str:
        """A bitmap as a data URI."""
        data = re.sub(r"[^A-Za-z0-9+/=]", "", base64)
        size = f' width="{int(width)}"' if isinstance(width, int | float) else ""
        return (
            f'<figure class="picture"><img src="data:{kind};base64,{data}" '
            f'alt="{escape(alt or NO_ALT)}"{size}></figure>'
        )

    def _soup(self, text: str) -> Any:
        from bs4 import BeautifulSoup, Comment

        soup = BeautifulSoup(text, "html.parser")
        for comment in soup.find_all(string=lambda piece: isinstance(piece, Comment)):
            comment.extract()
        for element in soup.find_all(_BANNED):
            if not element.decomposed:
                element.decompose()
        for element in soup.find_all(["html", "body"]):
            element.unwrap()
        for element in soup.find_all(True):
            self._attributes(element)
        for picture in soup.find_all("img"):
            if not picture.get("alt"):
                picture["alt"] = NO_ALT
        for table in soup.find_all("table"):
            _scopes(table)
            _align(table)
            self._box(soup, table)
        return soup

    def _box(self, soup: Any, table: Any) -> None:
        """Wide tables scroll inside a box that the keyboard reaches, under a name of its own."""
        if table.find_parent("table") is not None:
            return
        box = table.parent if table.parent is not None and table.parent.name == "div" else None
        if box is None or "cx-table" not in (box.get("class") or ()):
            box = table.wrap(soup.new_tag("div", attrs={"class": "cx-table"}))
        caption = table.find("caption")
        name = caption.get_text(" ", strip=True) if caption is not None else "Table"
        self._tables[name] = number = self._tables.get(name, 0) + 1
        box["tabindex"] = "0"
        box["role"] = "region"
        box["aria-label"] = name if number == 1 else f"{name} ({number})"

    def _attributes(self, element: Any) -> None:
        for name in list(element.attrs):
            value = element.attrs[name]
            words = value if isinstance(value, str) else " ".join(value or ())
            if _dangerous(name, words):
                del element.attrs[name]
            elif name == "href":
                self._link(element, words)
        if element.name == "img" and not element.get("src"):
            element.name = "span"
            element.string = str(element.attrs.pop("alt", "") or "")

    def _link(self, element: Any, address: str) -> None:
        parts = urlsplit(address.strip())
        page = parts.path.removesuffix(".ipynb").removesuffix(".html").rpartition("/")[2]
        if element.name != "a":
            if not address.startswith("#"):
                del element.attrs["href"]
        elif parts.scheme in ("http", "https", "mailto"):
            element["rel"] = "noopener noreferrer"
        elif not parts.scheme and not parts.netloc and not parts.path:
            return
        elif not parts.scheme and parts.path.endswith((".ipynb", ".html")) and page in self._pages:
            element["href"] = f"{page}.html" + (f"#{parts.fragment}" if parts.fragment else "")
        else:
            element.unwrap()

    def _unique(self, wanted: str, *, record: bool = False) -> str:
        base = re.sub(r"\s+", "-", wanted.strip()) or "part"
        number, name = 1, base
        while name in self._used or (name in self._records and not record):
            number += 1
            name = f"{base}-{number}"
        self._used.add(name)
        return name


#: Ids of the page itself.
_OURS = ("main", "contents", "settings", "answer", "more")
_UNSAFE_SVG = {"script", "foreignObject", "metadata", "iframe", "audio", "video", "image-set"}


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-") or "part"


def _dangerous(name: str, value: str) -> bool:
    """Whether an attribute runs or loads something."""
    if name.startswith("on") or name in ("srcdoc", "srcset", "ping", "background"):
        return True
    if name == "style":
        return _LOADS.search(value) is not None
    return name in ("src", "xlink:href", "poster") and not _inline(value)


def _inline(address: str) -> bool:
    return re.match(r"data:image/(png|jpeg|gif|webp);", address.strip(), re.IGNORECASE) is not None


def _follow(soup: Any, renamed: Mapping[str, str]) -> None:
    """Let references inside one output follow its renamed ids."""
    for element in soup.find_all(True):
        for name in _REFERS:
            value = element.get(name)
            if value:
                words = value if isinstance(value, str) else " ".join(value)
                element[name] = " ".join(renamed.get(word, word) for word in words.split())
        address = element.get("href", "")
        if address.startswith("#") and address[1:] in renamed:
            element["href"] = f"#{renamed[address[1:]]}"


def _scopes(table: Any) -> None:
    for old in ("border", "bgcolor", "align", "width"):
        table.attrs.pop(old, None)
    for cell in table.find_all("th"):
        if not cell.get_text(strip=True) and not cell.find("img"):
            cell.name = "td"
            cell.attrs.pop("scope", None)
        elif not cell.get("scope"):
            head = cell.find_parent("thead") is not None or not cell.parent.find("td")
            spans = int(re.sub(r"\D", "", str(cell.get("colspan", "1"))) or 1) > 1
            rows = int(re.sub(r"\D", "", str(cell.get("rowspan", "1"))) or 1) > 1
            kind = "col" if head else "row"
            cell["scope"] = f"{kind}group" if (spans if head else rows) else kind


def _align(table: Any) -> None:
    """Mark the columns that hold words, which read from the left; drop a head that says nothing."""
    head = table.find("thead")
    if head is not None and not head.get_text(strip=True):
        head.decompose()
    rows = [row.find_all(["th", "td"], recursive=False) for row in table.find_all("tr")]
    if any(cell.get("colspan") or cell.get("rowspan") for row in rows for cell in row):
        return
    for column in range(1, max(map(len, rows), default=0)):
        cells = [row[column] for row in rows if len(row) > column]
        data = [cell for cell in cells if cell.name == "td"]
        long = any(sum(map(str.isalpha, cell.get_text())) > 20 for cell in data)
        if long or any(cell.find(["a", "strong"]) for cell in data):
            for cell in cells:
                cell["class"] = [*cell.get("class", ()), "words", *(["long"] if long else [])]


def _tame(element: ET.Element, prefix: str) -> None:
    for name in list(element.attrib):
        value = element.attrib[name]
        local = _local(name)
        if local.startswith("on"):
            del element.attrib[name]
        elif local == "id":
            element.attrib[name] = prefix + value
        elif local == "href":
            if value.startswith("#"):
                element.attrib[name] = f"#{prefix}{value[1:]}"
            elif not _inline(value):
                del element.attrib[name]
        elif _LOADS.search(value):
            del element.attrib[name]
        else:
            element.attrib[name] = re.sub(r"url\((['\"]?)#", rf"url(\1#{prefix}", value)
    if _local(element.tag) == "style" and element.text:
        text = re.sub(r"url\((['\"]?)#", rf"url(\1#{prefix}", element.text)
        element.text = "" if _LOADS.search(text) else text


def _lift_style(root: ET.Element) -> None:
    """Rules for everything would leak into the page: they become the picture's own style."""
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) != "style":
                continue
            everything = re.fullmatch(r"\s*\*\s*\{([^{}]*)\}\s*", child.text or "")
            if everything:
                parent.remove(child)
                root.set(
                    "style", ";".join(filter(None, [root.get("style"), everything[1].strip()]))
                )
            elif not re.fullmatch(r"\s*(svg:root[^{}]*\{[^{}]*\}\s*)*", child.text or ""):
                parent.remove(child)
