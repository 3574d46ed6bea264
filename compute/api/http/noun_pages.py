"""What the browsable API shows of a noun: its title, its rows, and where they lead."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework.reverse import reverse

from compute.api.http.guarded import GuardedView


class NounPages(GuardedView):
    """The pages of one kind of resource, for its viewset."""

    #: Which of its pages this is; DRF sets it.
    suffix: str | None

    #: How messages call one of them.
    noun: ClassVar[str]
    #: What its tag says in the list of all; empty where another noun's path has it.
    about: ClassVar[str] = ""
    #: Whether every page of the browsable API leads to its list.
    is_in_navigation: ClassVar[bool] = False

    @property
    def slug(self) -> str:
        """The noun as routes, permissions and events write it."""
        return self.noun.lower().replace(" ", "-")

    def url(self, noun: str, id: Any) -> str:
        return reverse(f"{noun}-detail", kwargs={"id": id}, request=self.request)

    @classmethod
    def title(cls, *, plural: bool) -> str:
        """Return how pages call one of them, or their list."""
        return f"{cls.noun[0].upper()}{cls.noun[1:]}{'s' if plural else ''}"

    def get_view_name(self) -> str:
        """Return how the browsable API calls this page."""
        plural = self.suffix == "List"
        if name := getattr(self, "name", None):
            return f"{name}s" if plural else str(name)
        return self.title(plural=plural)

    def page_extras(self, data: Any) -> dict[str, Any]:
        """Return what the browsable API shows above the JSON, by template variable."""
        rows = data.get("results", ())
        return {
            "rows": [
                {
                    "id": row["id"],
                    "label": self.label_of(row),
                    "status": row.get("status"),
                    "url": self.url(self.slug, row["id"]),
                }
                for row in rows
            ],
            "related": [] if rows else self.related(data),
        }

    def label_of(self, row: Any) -> str:
        """Return how a list's page calls a row of it."""
        label: str = row.get("name") or row.get("type") or row["id"]
        return label

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        """Return links, with their labels, from one resource to others."""
        return []
