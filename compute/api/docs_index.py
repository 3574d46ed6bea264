"""What a search over the documentation finds."""

from html.parser import HTMLParser
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse

from compute.api.http.guides import GUIDES
from compute.api.http.problems import registry


def index(schema: dict[str, Any]) -> list[dict[str, str]]:
    """Return what can be found: sections of guides, operations and problems."""
    return [*_sections(), *_operations(schema), *_problems()]


def _sections() -> list[dict[str, str]]:
    rows = []
    for guide in GUIDES:
        parser = _Sections()
        parser.feed(render_to_string(guide.template, {"origin": ""}))
        parser.close()
        url = reverse("guide", args=[guide.name])
        for anchor, title, text in parser.sections:
            rows.append(
                {
                    "kind": guide.title if title else "Guide",
                    "title": title or guide.title,
                    "text": " ".join(f"{'' if title else guide.about} {text}".split()),
                    "url": f"{url}#{anchor}" if anchor else url,
                }
            )
    return rows


class _Sections(HTMLParser):
    """Cuts a page at its second headings; the code in it is not searched."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[list[str]] = [["", "", ""]]
        self._into: int | None = 2

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "h2":
            self.sections.append([dict(attrs).get("id") or "", "", ""])
            self._into = 1
        elif tag == "pre":
            self._into = None

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h2", "pre"):
            self._into = 2

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self.sections[-1][self._into] += data


def _operations(schema: dict[str, Any]) -> list[dict[str, str]]:
    docs = reverse("docs")
    return [
        {
            "kind": method.upper(),
            "title": operation["summary"],
            "text": f"{path} {operation['operationId']}",
            # Where Swagger UI looks for it.
            "url": f"{docs}#/{operation['tags'][0]}/{operation['operationId']}",
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def _problems() -> list[dict[str, str]]:
    return [
        {
            "kind": f"Problem {problem.status}",
            "title": problem.title,
            "text": code,
            "url": reverse("problem", args=[code]),
        }
        for code, problem in registry().items()
    ]
