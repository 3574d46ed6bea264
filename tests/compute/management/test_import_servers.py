"""The command prints a line per server, and one line for what is wrong."""

import pytest
from django.core.management import CommandError, call_command

from compute.models import VM, Project
from providers.mock import MockCloud, SeedServer

CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    call_command("import_servers", "--cloud", "default", "--project", *words)
    return capsys.readouterr().out.splitlines()


def test_it_tells_what_it_did_and_why_not(
    project: Project, cloud: MockCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    old, moving = cloud.controls.seed(
        [
            SeedServer("old", "2", CIRROS),
            SeedServer("moving", "2", CIRROS, status="BUILD"),
        ]
    )
    skipped = f"skipped moving {moving}: it is not at rest (BUILD)"
    assert sorted(run(capsys, "default", "--dry-run")) == [
        skipped,
        f"would adopt old {old}",
        "would adopt: 1, skipped: 1",
    ]
    assert not VM.objects.exists()
    assert sorted(run(capsys, "default")) == [
        f"adopted old {old}",
        "adopted: 1, skipped: 1",
        skipped,
    ]
    assert VM.objects.get().server_id == old
    assert run(capsys, "default")[-1] == "adopted: 0, skipped: 2"


def test_what_is_wrong_is_one_line(
    project: Project, cloud: MockCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"^There is no project nowhere\.$"):
        run(capsys, "nowhere")
    cloud.controls.inject("servers.list_all", kind="fail", status=503)
    with pytest.raises(CommandError, match=r"^The cloud default cannot be read: "):
        run(capsys, "default")
