"""Pages that a command made, read back by a parser."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img"}
HOSTILE = "<script>alert('x')</script> \"quoted\" & 'more' \u202e"


@dataclass
class Element:
    """An element of the page with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    def all(self, tag: str, **wanted: str) -> Iterator["Element"]:
        """Those within with the tag, * being any, and the attributes."""
        for child in self.children:
            if isinstance(child, Element):
                if tag in (child.tag, "*") and wanted.items() <= child.attributes.items():
                    yield child
                yield from child.all(tag, **wanted)

    @property
    def text(self) -> str:
        """All text within."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table."""
        return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in self.all("tr")]


class Tree(HTMLParser):
    """Builds the tree, and finds that every element is closed where it was opened."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.root = Element("root", {})
        self.open = [self.root]
        self.feed(content)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        if tag not in VOID:
            assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self.open[-1].children.append(data)


def content_of(uri: str, kind: str) -> bytes:
    start = f"data:{kind};base64,"
    assert uri.startswith(start)
    return base64.b64decode(uri[len(start) :], validate=True)
