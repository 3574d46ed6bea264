"""Lists in pages: by number with a total, or by cursor at any depth.

One envelope for both: ``{"results", "next", "previous", "count"}``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.signing import BadSignature, Signer
from django.db.models import BooleanField, F, Field, Func, Model, Q
from django.utils.html import format_html
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http.parameters import joined, refuse, whole_number
from compute.api.http.problems import CursorInvalid
from compute.api.http.rows import Page, Rows
from compute.statements import Slot

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100
#: Rows a numbered page may skip over: the database walks past each of them.
MAX_DEPTH = 10_000
#: Rows that are counted: the database visits each of them.
MAX_COUNT = 100_000

PARAMETERS = frozenset({"page", "per_page", "cursor", "ordering"})


class Key(NamedTuple):
    field: str
    descending: bool


class Position(NamedTuple):
    """Where a cursor points: between two rows."""

    values: tuple[Any, ...]
    #: The page before it, not the one after it.
    backwards: bool
    #: The row itself belongs to the page.
    inclusive: bool


def parse_ordering(text: str, *, allowed: Sequence[str]) -> list[Key]:
    """Return the sort keys of ``-created_at,name``, with ``id`` to end all ties."""
    keys = [Key(part.removeprefix("-"), part[:1] == "-") for part in text.split(",")]
    names = [key.field for key in keys]
    if unknown := [name for name in names if name not in allowed]:
        raise refuse(
            "ordering",
            "invalid_choice",
            f"Cannot order by {unknown[0]!r}; use one of {', '.join(allowed)}.",
        )
    if len(set(names)) < len(names):
        raise refuse("ordering", "repeated", "A field is listed twice.")
    return [*keys, Key("id", keys[-1].descending)]


class Pagination(BasePagination):
    display_page_controls = False

    request: Request
    model: type[Model]
    count: int | None = None
    next: str | None = None
    previous: str | None = None
    #: The newest event of the project before the rows were read: where to listen for
    #: what follows. ``None`` for a list of several projects, which count each their own.
    event_sequence: int | None = None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> Any:
        """Return a page of `Rows` as a JSON array, in one text."""
        self.request = request
        params = joined(request)
        if "cursor" in params and "page" in params:
            raise refuse("cursor", "conflict", "Give either page or cursor.")
        keys = parse_ordering(
            params.get("ordering", view.default_ordering), allowed=view.orderings
        )
        per_page = whole_number(
            request, "per_page", default=DEFAULT_PER_PAGE, highest=MAX_PER_PAGE
        )
        if known := view.one_project():
            _, self.event_sequence = known
        self.model = view.queryset.model
        if "cursor" in params or view.cursor_only:
            return self._by_cursor(queryset, keys, per_page)
        return self._by_number(queryset, keys, per_page)

    # By number

    def _by_number(self, rows: Rows, keys: list[Key], per_page: int) -> str:
        page = whole_number(self.request, "page", default=1, highest=MAX_DEPTH)
        if page * per_page > MAX_DEPTH:
            raise refuse(
                "page",
                "too_deep",
                f"page * per_page is at most {MAX_DEPTH}; use cursor to go deeper.",
            )
        count = rows.count(limit=MAX_COUNT + 1)
        self.count = count if count <= MAX_COUNT else None
        last = max(1, -(-count // per_page))
        start = (page - 1) * per_page
        array = "[]"
        # A page past the end is empty, not an error: rows vanish while a client pages.
        if start < count:
            array = rows.page(_order(keys), (), limit=per_page, offset=start).array
        if page < last:
            self.next = self._url(page=str(page + 1))
        if page > 1:
            self.previous = self._url(page=str(min(page - 1, last)))
        return array

    # By cursor

    def _by_cursor(self, rows: Rows, keys: list[Key], per_page: int) -> str:
        position = self._position(keys)
        backwards = position is not None and position.backwards
        walk = [Key(f, d ^ backwards) for f, d in keys]
        if position is not None:
            condition = _beyond(walk, self.model, inclusive=position.inclusive)
            rows = rows.narrowed(
                (tuple(walk), position.inclusive),
                lambda every: every.filter(condition),
                dict(zip(_slot_names(keys), position.values, strict=True)),
            )
        fields = [key.field for key in keys]
        page = rows.page(_order(walk), fields, limit=per_page + 1)
        more = len(page.rows) > per_page
        del page.rows[per_page:]
        if backwards:
            page.rows.reverse()
        first, last = self._edges(page, position)
        if more or backwards:
            self.next = self._cursor_url(keys, last)
        if more if backwards else position is not None:
            self.previous = self._cursor_url(keys, first)
        return page.array

    def _edges(
        self, page: Page, position: Position | None
    ) -> tuple[Position | None, Position | None]:
        """Return where the page begins and ends, for the way on and the way back."""
        if page.rows:
            first, last = page.columns(0), page.columns(-1)
            return Position(first, True, False), Position(last, False, False)
        if position is None:
            return None, None
        # Its rows are gone: turn round where the client stands, row included.
        around = not position.inclusive
        return (
            Position(position.values, True, around),
            Position(position.values, False, around),
        )

    def _position(self, keys: list[Key]) -> Position | None:
        text = self.request.query_params.get("cursor", "")
        if text == "":
            return None
        try:
            ordering, question, values, backwards, inclusive = _signer.unsign_object(
                text
            )
        except (BadSignature, ValueError) as exc:
            raise CursorInvalid("The cursor is not valid.") from exc
        if ordering != _order(keys) or question != self._question():
            raise CursorInvalid(
                "The cursor belongs to other filters or another ordering. "
                "Start again with an empty cursor."
            )
        fields = [_field(self.model, key.field) for key in keys]
        return Position(
            tuple(f.to_python(v) for f, v in zip(fields, values, strict=True)),
            backwards,
            inclusive,
        )

    def _question(self) -> str:
        """Return a digest of what is listed, without the client's position in it."""
        fields = sorted(
            item for item in joined(self.request).items() if item[0] not in PARAMETERS
        )
        return hashlib.sha256(repr((self.request.path, fields)).encode()).hexdigest()[
            :16
        ]

    def _cursor_url(self, keys: list[Key], position: Position | None) -> str | None:
        if position is None:
            return None
        values = [
            v.isoformat() if isinstance(v, datetime) else str(v)
            for v in position.values
        ]
        return self._url(
            cursor=_signer.sign_object(
                [
                    _order(keys),
                    self._question(),
                    values,
                    position.backwards,
                    position.inclusive,
                ]
            )
        )

    # The log

    def follow(self, request: Request, *, cursor: int, more: bool) -> None:
        """Lead on from an event of the log, to what there is after it now."""
        self.request, self.event_sequence = request, cursor
        if more:
            self.next = self._url(after=f"{cursor:012d}")

    # The answer

    def _url(self, **changed: str) -> str:
        query = {**joined(self.request), **changed}
        return self.request.build_absolute_uri(
            f"{self.request.path}?{urlencode(query)}"
        )

    def get_paginated_response(self, data: Any) -> Response:
        response = Response(
            {
                "results": data,
                "next": self.next,
                "previous": self.previous,
                "count": self.count,
            }
        )
        links = [
            f'<{url}>; rel="{rel}"'
            for rel, url in (("next", self.next), ("prev", self.previous))
            if url
        ]
        if links:
            self.display_page_controls = True
            response.headers["Link"] = ", ".join(links)
        if self.event_sequence is not None:
            response.headers["Event-Cursor"] = f"{self.event_sequence:012d}"
        return response

    def to_html(self) -> str:
        return format_html(
            '<ul class="pager"><li>{}</li> <li>{}</li></ul>',
            _link(self.previous, "Previous"),
            _link(self.next, "Next"),
        )

    # The schema

    def get_paginated_response_schema(
        self, schema: Mapping[str, Any]
    ) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous", "count"],
            "properties": {
                "results": schema,
                "next": {**link, "description": "The next page; null on the last."},
                "previous": {
                    **link,
                    "description": "The previous page; null on the first.",
                },
                "count": {
                    "type": ["integer", "null"],
                    "description": (
                        "Number of rows on all pages; null with a cursor, and "
                        f"beyond {MAX_COUNT}."
                    ),
                    "example": 123,
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        whole = {"type": "integer", "minimum": 1}
        words = [f"{sign}{name}" for name in view.orderings for sign in ("", "-")]
        # Generators cannot make a name of `-created_at`, and would number it.
        names = [
            f"{name}{way}".upper() for name in view.orderings for way in ("", "_desc")
        ]
        page = {
            "name": "page",
            "in": "query",
            # No default: generated clients would send it along with a cursor.
            "schema": {**whole, "maximum": MAX_DEPTH},
            "description": "Page number; the first if omitted. "
            f"`page * per_page` is at most {MAX_DEPTH}; use `cursor` to go deeper.",
        }
        return [
            *(() if view.cursor_only else (page,)),
            {
                "name": "per_page",
                "in": "query",
                "schema": {
                    **whole,
                    "maximum": MAX_PER_PAGE,
                    "default": DEFAULT_PER_PAGE,
                },
                "description": "Rows per page.",
            },
            {
                "name": "cursor",
                "in": "query",
                "schema": {"type": "string"},
                "allowEmptyValue": True,
                "description": (
                    "List without a total: start with an empty cursor, continue with "
                    "`next`. Cannot be combined with `page`."
                ),
            },
            {
                "name": "ordering",
                "in": "query",
                "schema": {
                    "type": "array",
                    "items": {
                        "type": "string",
                        "enum": words,
                        "x-enum-varnames": names,
                    },
                },
                "description": "Fields to order by; `-` for descending. Default: "
                f"`{view.default_ordering}`.",
            },
        ]


def _link(url: str | None, label: str) -> str:
    if url is None:
        return format_html("<span>{}</span>", label)
    return format_html('<a href="{}">{}</a>', url, label)


_signer = Signer(salt="compute.api.http.pagination")


def _order(keys: Sequence[Key]) -> list[str]:
    return [f"-{field}" if descending else field for field, descending in keys]


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    if not isinstance(field, Field):
        raise TypeError(f"{name} is not a column")
    return field


def _slot_names(keys: Sequence[Key]) -> list[str]:
    return [f"position_{key.field}" for key in keys]


def _beyond(keys: Sequence[Key], model: type[Model], *, inclusive: bool) -> Any:
    """Return the condition for rows past a position, which an index can answer."""
    columns = [
        (key, Slot(name, _field(model, key.field)))
        for key, name in zip(keys, _slot_names(keys), strict=True)
    ]
    if len({key.descending for key in keys}) == 1:
        sign = "<" if keys[0].descending else ">"
        return _row_comparison(
            [F(key.field) for key, _ in columns],
            [value for _, value in columns],
            sign=f"{sign}=" if inclusive else sign,
        )
    # Mixed directions: the first key is bounded once more, for the index.
    condition = Q()
    equal = Q()
    for key, value in columns:
        beyond = "lt" if key.descending else "gt"
        if key is keys[-1] and inclusive:
            beyond += "e"
        condition |= equal & Q(**{f"{key.field}__{beyond}": value})
        equal &= Q(**{key.field: value})
    key, value = columns[0]
    bound = "lte" if key.descending else "gte"
    return Q(**{f"{key.field}__{bound}": value}) & condition


def _row_comparison(left: Sequence[Any], right: Sequence[Any], *, sign: str) -> Func:
    """Return ``(a, b) < (x, y)``: one range of an index on (a, b)."""
    return Func(
        Func(*left, template="(%(expressions)s)", output_field=BooleanField()),
        Func(*right, template="(%(expressions)s)", output_field=BooleanField()),
        template="%(expressions)s",
        arg_joiner=f" {sign} ",
        output_field=BooleanField(),
    )
