"""The guides are true: what they show runs as it stands, and the search finds it."""

import ast
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import yaml

from compute.api.http.guides import GUIDES
from compute.api.http.problems import registry
from tests.support import readme
from tests.support.api import Api
from tests.support.deployed import ROOT

pytestmark = pytest.mark.once

SCHEMA: dict[str, Any] = yaml.load(  # the faster of the safe ones
    (ROOT / "openapi.yaml").read_text(), yaml.CSafeLoader
)
OPERATIONS = [o for methods in SCHEMA["paths"].values() for o in methods.values()]


class Blocks(HTMLParser):
    """The code of a page: language and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self._is_in = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "code" and (language := dict(attrs).get("class")):
            self.found.append([language, ""])
            self._is_in = True

    def handle_endtag(self, tag: str) -> None:
        self._is_in = self._is_in and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._is_in:
            self.found[-1][1] += data


@pytest.mark.e2e
@pytest.mark.slow
def test_every_command_of_every_guide_runs_as_it_stands(tmp_path: Path) -> None:
    with readme.served(tmp_path, clouds="default=mock://?delay=0") as (port, given):
        site = f"http://127.0.0.1:{port}/api/v1/docs/guides"
        pages = {
            guide.name: requests.get(f"{site}/{guide.name}", timeout=60).text
            for guide in GUIDES
        }
        blocks = {name: Blocks(page).found for name, page in pages.items()}
        set_up = blocks["getting-started"][0][1]
        assert f"SERVER=http://127.0.0.1:{port}\n" in set_up
        said = {}
        for name, found in blocks.items():
            lines = [set_up]
            for language, text in found:
                assert language in ("bash", "python"), name
                run = f"{sys.executable} - <<'PYTHON'\n{text}\nPYTHON"
                lines.append(text if language == "bash" else run)
            said[name] = readme.bash("\n".join(lines), given)
    expected = {
        "getting-started": ['"status":"SHUTOFF"', "ACTIVE [", '"status":"DELETED"'],
        "waiting": ["HTTP/1.1 202", "operation-location:", "SUCCEEDED\nSUCCEEDED\n"],
        "errors": [
            '"pointer":"#/flavor"',
            "idempotent-replayed: true",
            "ACTIVE\n200\n",
        ],
        "pagination": ['"count":', " VMs\n", '"parameter":"stauts"'],
        "events": ['"type":"vm.created"', "retry: 3000", "000000000003 "],
        "networks": ['"fixed_ip":"10.7.0.', "resource-in-use", '"port_min":443'],
    }
    for name, words in expected.items():
        text = said[name].lower()
        assert [word for word in words if word.lower() not in text] == [], said[name]
    assert '"code":"precondition-failed"' in said["errors"]


def test_every_sample_can_be_read_by_its_language() -> None:
    for operation in OPERATIONS:
        curl, python = (sample["source"] for sample in operation["x-codeSamples"])
        words = shlex.split(curl)
        assert words[0] == "curl", curl
        if "-d" in words:
            orjson.loads(words[words.index("-d") + 1])
        assert ("Authorization: Bearer $TOKEN" in words) == bool(operation["security"])
        calls = [n for n in ast.walk(ast.parse(python)) if isinstance(n, ast.Call)]
        assert len(calls) >= 2, python
        # What curl sends as a variable, Python takes from the environment.
        wanted = {part for part in ("SERVER", "TOKEN", "_ID", "MEMBER") if part in curl}
        assert {part for part in wanted if part not in python} == set()


def test_the_search_finds_guides_operations_and_problems(api: Api) -> None:
    answer = api.client.get("/api/v1/docs/index")
    urls = [row["url"] for row in answer.json()]
    assert len(urls) == len(set(urls))
    for url in urls:
        page, _, anchor = url.partition("#")
        if anchor.startswith("/"):
            continue
        shown = api.client.get(page, headers={"Accept": "text/html"})
        assert shown.status_code == 200, url
        assert not anchor or f'id="{anchor}"' in shown.content.decode(), url
    assert {o["operationId"] for o in OPERATIONS} <= {
        u.rpartition("/")[2] for u in urls
    }
    assert {f"/problems/{code}" for code in registry()} <= set(urls)
    assert {f"/api/v1/docs/guides/{guide.name}" for guide in GUIDES} <= set(urls)
    etag = {"If-None-Match": answer.headers["ETag"]}
    assert api.client.get("/api/v1/docs/index", headers=etag).status_code == 304
    # What is no guide is answered like every other address.
    nothing = api.client.get("/api/v1/docs/guides/x", headers={"Accept": "text/html"})
    assert nothing.status_code == 404
    assert nothing.headers["Content-Type"].startswith("text/html")
