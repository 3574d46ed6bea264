"""Print the lifecycle of a VM as Markdown, read from the model's transitions."""

from typing import Any

from django.core.management.base import BaseCommand

from compute.models.lifecycle import MOVING, RESTING, VMStatus
from compute.models.vm import VERBS, Verb


class Command(BaseCommand):
    help = "Print the table of actions and the state diagram, as the README has them."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(lifecycle())


def lifecycle() -> str:
    """Return the table and the diagram."""
    return "\n\n".join([_table(), _diagram()])


def _table() -> str:
    rows = [
        "| action | from | meanwhile | ends as |",
        "|---|---|---|---|",
        "| create | | `BUILD` | `ACTIVE` |",
    ]
    for verb in VERBS.values():
        via = f"`{verb.via}`" if verb.via else "(unchanged)"
        sources = ", ".join(f"`{status}`" for status in verb.ends)
        rows.append(f"| {_name(verb)} | {sources} | {via} | {_ends(verb)} |")
    return "\n".join(rows)


def _name(verb: Verb) -> str:
    hard = " `{type: HARD}`" if verb.method == "reboot_hard" else ""
    return f"{verb.action}{hard}"


def _ends(verb: Verb) -> str:
    starts: dict[VMStatus, list[VMStatus]] = {}
    for start, end in verb.ends.items():
        starts.setdefault(end, []).append(start)
    if len(starts) == 1:
        return f"`{next(iter(starts))}`"
    if all(start == end for start, end in verb.ends.items()):
        return "as it was"
    return "; ".join(
        f"`{end}` from {', '.join(f'`{start}`' for start in froms)}"
        for end, froms in starts.items()
    )


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> ACTIVE: create"]
    for start in RESTING:
        labels: dict[VMStatus, list[str]] = {}
        for verb in VERBS.values():
            if verb.via in MOVING and verb.ends.get(start) is not None:
                names = labels.setdefault(verb.ends[start], [])
                if verb.action not in names:
                    names.append(verb.action)
        lines += [
            f"    {start} --> {end}: {', '.join(names)}"
            for end, names in labels.items()
        ]
    return "\n".join([*lines, "    DELETED --> [*]", "```"])
