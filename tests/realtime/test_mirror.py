"""Mirrors of a project follow it while all that can break does: each is exact at the end.

MIRROR_ACTIONS says how many actions; one in 20 has the connections cut, one in 200 a
process killed.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cutting_proxy import CuttingProxy
from tests.support.killable_services import Service, services
from tests.support.mirrors import (
    Client,
    Mirror,
    Things,
    by_list,
    by_socket,
    by_sse,
)
from tests.support.pushed_mirrors import PushedMirror
from tests.support.random_actions import Person, perform
from tests.support.random_actions import Things as Known
from tests.support.receivers import receiving
from tests.support.serving import STREAM_MARKS, Ground

pytestmark = STREAM_MARKS

ACTIONS = int(os.environ.get("MIRROR_ACTIONS", "400"))
CUTS, KILLS = ACTIONS // 20, ACTIONS // 200
PEOPLE = 4
#: Seconds after which a worker that was killed holds its operations no longer.
LEASE_SECONDS = "2"
#: Of VMs, so that some are refused.
MOST_VMS = 25
#: Seconds that nothing happens once all is done, and until then at most.
SETTLED_SECONDS, SETTLE_SECONDS = 3.0, 120.0
#: Until everything has come: what a killed worker was sending is sent again after 60 s.
PUSHED_SECONDS = 120.0


def test_mirrors_are_exact_whatever_is_cut_or_killed(
    ground: Ground, tmp_path: Path
) -> None:
    env = {
        **ground.env,
        "OPERATION_LEASE_SECONDS": LEASE_SECONDS,
        "SWEEP_INTERVAL_SECONDS": "1",
        "OPERATION_RETRY_SECONDS": "0.2",
        "DJANGO_SETTINGS_MODULE": "tests.support.settings_with_loopback",
        "WEBHOOK_ALLOW_HTTP": "true",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    choose = random.Random(ACTIONS)  # noqa: S311  # the same each time
    with services(env, tmp_path) as running, ExitStack() as stack:
        api = Client(running["api"].port, ground.token)
        proxies = [
            stack.enter_context(CuttingProxy(running[name].port))
            for name in ("stream", "stream", "api")
        ]
        mirrors = [
            Mirror(api, Client(proxy.port, ground.token), follow)
            for proxy, follow in zip(proxies, (by_sse, by_socket, by_list), strict=True)
        ]
        things = Known()
        people = [
            Person(running["api"].port, ground.token, things, seed)
            for seed in range(PEOPLE)
        ]
        for person in people:
            stack.callback(person.leave)
        limit = {"vms": {"limit": MOST_VMS}}
        (project,) = api.get("projects", {})[0]["results"]
        people[0].send("PATCH", f"projects/{project['id']}/quota", limit)
        perform(people, ACTIONS // 10, {})
        pushed = PushedMirror()
        receiver = stack.enter_context(receiving(pushed.answer))
        webhook = {"name": "mirror", "url": receiver.url}
        _, made = people[0].send("POST", "webhooks", webhook)
        pushed.begin(made["secret"], api)
        for mirror in mirrors:
            mirror.start()
        perform(people, ACTIONS, _damage(choose, proxies, running))
        truth, last = _settled(api)
        for mirror in mirrors:
            mirror.finish(last, seconds=60)
        pushed.await_all(last, seconds=PUSHED_SECONDS)

        for mirror, proxy in zip(mirrors, proxies, strict=True):
            assert mirror.sequences == list(range(mirror.first, last + 1))
            assert proxy.cuts == CUTS
            assert mirror.ended >= CUTS
            assert _differences(mirror.things, truth) == {}
        assert _differences(pushed.things, truth) == {}
        # At least once, and by its id the receiver knows what it has already.
        assert {len(ids) for ids in pushed.ids.values()} == {1}
        assert len(set().union(*pushed.ids.values())) == len(pushed.ids)
        assert min(pushed.done[name] for name in ("refused", "unanswered")) > 0
        assert max(pushed.came.values()) > 1
        # Many were done, and many refused.
        statuses = sum((person.statuses for person in people), Counter[int]())
        assert min(statuses[202], statuses[409]) > ACTIONS // 10
        assert last > ACTIONS


def _damage(
    choose: random.Random, proxies: list[CuttingProxy], running: dict[str, Service]
) -> dict[int, Callable[[], object]]:
    """Return what is done before which action."""

    def cut(proxy: CuttingProxy, size: int) -> Callable[[], object]:
        return lambda: proxy.cut_after(size)

    done: dict[int, list[Callable[[], object]]] = {}
    for proxy in proxies:
        for number in choose.sample(range(ACTIONS), CUTS):
            # Within the head of an answer, in an event, or some events later.
            size = choose.choice((0, choose.randrange(2_000), choose.randrange(20_000)))
            done.setdefault(number, []).append(cut(proxy, size))
    for name in ("stream", "worker"):
        for number in choose.sample(range(ACTIONS), KILLS):
            done.setdefault(number, []).append(running[name].kill)
    return {
        number: lambda calls=calls: [call() for call in calls]  # type: ignore[misc]  # mypy wants its type
        for number, calls in done.items()
    }


def _settled(api: Client) -> tuple[Things, int]:
    """Return all there is, and its newest event, once nothing more happens."""
    deadline = time.monotonic() + SETTLE_SECONDS
    before, since = "", time.monotonic()
    while time.monotonic() < deadline:
        live, cursor = api.get("operations", {"status": "PENDING,RUNNING"})
        if live["results"] or cursor != before:
            before, since = cursor, time.monotonic()
        elif time.monotonic() > since + SETTLED_SECONDS:
            things, first = api.everything()
            if api.get("vms", {})[1] == first:
                return things, int(first)
        time.sleep(0.2)
    pytest.fail(f"it does not come to rest: {live['results']}")


def _differences(seen: Things, truth: Things) -> dict[str, object]:
    """Return what is in one and not in the other, by subject and field."""
    nothing: dict[str, object] = {}
    found: dict[str, object] = {}
    for subject in seen.keys() | truth.keys():
        one, other = seen.get(subject, nothing), truth.get(subject, nothing)
        for name in one.keys() | other.keys():
            if one.get(name) != other.get(name):
                found[f"{subject} {name}"] = (one.get(name), other.get(name))
    return found
