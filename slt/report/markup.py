"""HTML that cannot be unbalanced and in which nothing goes unescaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

_VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})


class Markup(str):
    """Text that is HTML already; any other string is escaped when it enters an element."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """`value` as HTML text, unless it is Markup."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def element(tag: str, *children: object, **attributes: str) -> Markup:
    """One element; a trailing underscore in an attribute's name is dropped (`class_`), others become dashes."""
    text = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value, quote=True)}"'
        for name, value in attributes.items()
    )
    if tag in _VOID:
        return Markup(f"<{tag}{text}>")
    return Markup(f"<{tag}{text}>{join(children)}</{tag}>")


def join(parts: Iterable[object]) -> Markup:
    return Markup("".join(escape(part) for part in parts))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], class_: str = "") -> Markup:
    """A table with a header row and a header cell in each row; it scrolls sideways on a narrow screen."""
    head = element("thead", element("tr", *(element("th", h, scope="col") for h in headers)))
    body = element(
        "tbody",
        *(
            element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
            for first, *rest in rows
        ),
    )
    return element("div", element("table", head, body, class_=class_), class_="scroll")


def image(png: bytes, alt: str) -> Markup:
    """The picture itself, inside the page."""
    return element("img", src=f"data:image/png;base64,{base64.b64encode(png).decode()}", alt=alt)
