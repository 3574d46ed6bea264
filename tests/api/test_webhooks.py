"""Webhooks as clients ask for them: what answers show, and what is refused."""

import json
from typing import Any

import pytest

from compute import egress
from compute.models import Delivery, Event, Project, Quota, Webhook
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import MembershipFactory, ProjectFactory
from tests.support.receivers import receiving
from tests.support.webhook_sending import Line, send_all

#: Called by nobody here, and looked up without DNS.
URL = "https://127.0.0.1:9999/hooks"


def make(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.post("/webhooks", {"name": "billing", "url": URL, **body})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
def webhook(api: Api) -> dict[str, Any]:
    return make(api)


def test_the_answer_that_makes_one_alone_shows_its_secret(
    api: Api, project: Project
) -> None:
    answer = api.post("/webhooks", {"name": "billing", "url": URL})
    made = answer.json()
    path = f"/webhooks/{made['id']}"
    assert answer.status_code == 201
    assert answer["Location"].endswith(path)
    assert (answer["ETag"], answer["Cache-Control"]) == ('"1"', "no-store")
    assert made["secret"].startswith("whsec_")
    shown = api.get(path).json()
    assert shown == {**made, "secret": None}
    assert shown["project"] == str(project.pk)
    assert (shown["enabled"], shown["event_types"]) == (True, [])
    assert api.get("/webhooks").json()["results"] == [shown]
    assert api.patch(path, {"name": "other"}).json()["secret"] is None
    for read in (
        path,
        "/webhooks",
        "/events",
        f"/events?subject=webhooks/{made['id']}",
    ):
        assert made["secret"] not in api.get(read).content.decode()


@pytest.mark.parametrize("sent", [{}, {"name": "other"}])
def test_a_request_sent_twice_makes_one_and_tells_the_secret_once(
    api: Api, sent: dict[str, Any]
) -> None:
    body = {"name": "billing", "url": URL}
    first = api.post("/webhooks", body, Idempotency_Key="k-1")
    second = api.post("/webhooks", {**body, **sent}, Idempotency_Key="k-1")
    assert Webhook.objects.count() == 1
    if sent:
        problem(second, 422, "idempotency-key-reused")
        return
    assert second["Idempotent-Replayed"] == "true"
    assert second.json() == {**first.json(), "secret": None}


def test_a_secret_is_rotated_once_for_one_key(
    api: Api, webhook: dict[str, Any]
) -> None:
    path = f"/webhooks/{webhook['id']}/actions/rotate-secret"
    first = api.post(path, Idempotency_Key="k-1")
    second = api.post(path, Idempotency_Key="k-1")
    assert (first.status_code, first["Cache-Control"]) == (200, "no-store")
    assert first.json()["secret"] not in (None, webhook["secret"])
    assert first.json()["old_secret_until"] is not None
    assert second.json() == {**first.json(), "secret": None}
    assert Event.objects.filter(type="webhook.secret_rotated").count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", "a\nb"),
        ("url", None),
        ("url", ""),
        ("url", 7),
        ("url", "ftp://127.0.0.1/"),
        ("url", "file:///etc/passwd"),
        ("url", "https:///nowhere"),
        ("url", "https://me:word@127.0.0.1/"),  # pragma: allowlist secret
        ("url", "https://169.254.169.254/latest"),
        ("url", "https://10.0.0.1/"),
        ("url", "https://[::ffff:10.0.0.1]/"),
        ("url", "https://0x7f.1/\x00"),
        ("url", f"https://127.0.0.1/{'a' * 3000}"),
        ("event_types", "vm.*"),
        ("event_types", ["*"]),
        ("event_types", ["vm.*"] * 51),
        ("label_selector", "a b c"),
        ("label_selector", ["env"]),
        ("labels", ["env"]),
        ("project", "default"),
        ("project", "0197c1e0-6f0c-4c1e-9d0a-3a3f1d1b2c11"),
        ("enabled", False),
        ("secret", "whsec_AAAA"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(api: Api, field: str, value: Any) -> None:
    body = {"name": "billing", "url": URL, field: value}
    refused = errors(api.post("/webhooks", body))
    assert {where.split("/")[1] for where, _ in refused} == {field}
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("field", ["name", "url"])
def test_what_is_needed_is_asked_for(api: Api, field: str) -> None:
    body = {"name": "billing", "url": URL}
    del body[field]
    assert errors(api.post("/webhooks", body)) == [(f"#/{field}", "required")]


def test_a_change_of_what_was_not_seen_is_refused(
    api: Api, webhook: dict[str, Any]
) -> None:
    path = f"/webhooks/{webhook['id']}"
    for stale in (
        api.patch(path, {"name": "x"}, If_Match='"7"'),
        api.delete(path, If_Match='"7"'),
        api.post(f"{path}/actions/test", If_Match='"7"'),
        api.post(f"{path}/actions/rotate-secret", If_Match='"7"'),
    ):
        problem(stale, 412, "precondition-failed")
    changed = api.patch(path, {"event_types": ["vm.*"]}, If_Match='"1"')
    assert (changed.status_code, changed["ETag"]) == (200, '"2"')
    assert api.get(path, If_None_Match='"2"').status_code == 304


def test_a_url_that_may_not_be_called_is_no_change(
    api: Api, webhook: dict[str, Any]
) -> None:
    path = f"/webhooks/{webhook['id']}"
    refused = api.patch(path, {"url": "https://10.0.0.1/"})
    assert errors(refused) == [("#/url", "invalid")]
    assert api.get(path).json()["url"] == URL


def test_one_that_pauses_takes_no_test(api: Api, webhook: dict[str, Any]) -> None:
    path = f"/webhooks/{webhook['id']}"
    delivery = api.post(f"{path}/actions/test")
    assert delivery.status_code == 202
    assert delivery.json()["status"] == "PENDING"
    again = f"{path}/deliveries/{delivery.json()['id']}/actions/redeliver"
    assert delivery["Location"].endswith(again.removesuffix("/actions/redeliver"))
    assert api.patch(path, {"enabled": False}).json()["enabled"] is False
    problem(api.post(f"{path}/actions/test"), 409, "webhook-disabled")
    problem(api.post(again), 409, "webhook-disabled")
    assert api.patch(path, {"enabled": True}).json()["enabled"] is True
    assert api.post(f"{path}/actions/test").status_code == 202


def test_what_it_was_sent_is_listed_and_sent_again(api: Api) -> None:
    webhook = make(api, event_types=["network.*", "webhook.*"])
    path = f"/webhooks/{webhook['id']}/deliveries"
    line = Line()
    line.answers(500)
    sent = api.post(f"/webhooks/{webhook['id']}/actions/test").json()
    send_all(line)
    (row,) = api.get(path).json()["results"]
    assert row["id"] == sent["id"]
    assert (row["status"], row["attempts"]) == ("PENDING", 1)
    assert (row["answer_status"], row["answer_excerpt"]) == (500, "said 500")
    assert row["reason"] is not None
    line.answers(204)
    again = api.post(f"{path}/{row['id']}/actions/redeliver")
    assert (again.status_code, again.json()["attempts"]) == (202, 0)
    send_all(line)
    (row,) = api.get(path).json()["results"]
    assert (row["status"], row["answer_status"]) == ("SUCCEEDED", 204)
    assert row["event"] == line.ids[0] == line.ids[1]
    for query, count in (
        ("status=SUCCEEDED", 1),
        ("status=PENDING", 0),
        ("event_type=webhook.tested", 1),
        ("event_type=vm.created", 0),
        ("created_at__gte=2999-01-01T00:00:00Z", 0),
    ):
        assert len(api.get(f"{path}?{query}").json()["results"]) == count, query
    problem(api.get(f"{path}?status=LOST"), 400, "validation-error")


def test_a_delivery_is_found_at_its_own_webhook_alone(
    api: Api, webhook: dict[str, Any]
) -> None:
    other = make(api, name="other")
    sent = api.post(f"/webhooks/{webhook['id']}/actions/test").json()
    there = f"/webhooks/{webhook['id']}/deliveries/{sent['id']}"
    elsewhere = f"/webhooks/{other['id']}/deliveries/{sent['id']}"
    assert api.get(there).json()["webhook"] == webhook["id"]
    problem(api.get(elsewhere), 404, "not-found")
    problem(api.post(f"{elsewhere}/actions/redeliver"), 404, "not-found")


def test_what_is_deleted_is_gone_with_its_deliveries(
    api: Api, webhook: dict[str, Any]
) -> None:
    path = f"/webhooks/{webhook['id']}"
    sent = api.post(f"{path}/actions/test").json()
    assert api.delete(path).status_code == 204
    for gone in (
        api.get(path),
        api.delete(path),
        api.get(f"{path}/deliveries"),
        api.get(f"{path}/deliveries/{sent['id']}"),
        api.post(f"{path}/deliveries/{sent['id']}/actions/redeliver"),
        api.post(f"{path}/actions/rotate-secret"),
    ):
        problem(gone, 404, "not-found")
    assert make(api)["name"] == "billing"


def test_members_read_and_strangers_see_nothing(
    api: Api, webhook: dict[str, Any]
) -> None:
    path, project_id = f"/webhooks/{webhook['id']}", webhook["project"]
    member = as_user(MembershipFactory.create(role="member").user)
    assert member.get(path).json() == {**webhook, "secret": None}
    assert member.get(f"{path}/deliveries").status_code == 200
    for refused in (
        member.post("/webhooks", {"name": "x", "url": URL, "project": project_id}),
        member.patch(path, {"name": "x"}),
        member.delete(path),
        member.post(f"{path}/actions/test"),
        member.post(f"{path}/actions/rotate-secret"),
    ):
        problem(refused, 403, "permission-denied")
    reader = as_user(MembershipFactory.create(role="reader").user)
    problem(reader.get(path), 404, "not-found")
    elsewhere = MembershipFactory.create(project=ProjectFactory.create(), role="admin")
    stranger = as_user(elsewhere.user)
    problem(stranger.get(path), 404, "not-found")
    problem(stranger.get(f"{path}/deliveries"), 404, "not-found")
    assert stranger.get("/webhooks").json()["results"] == []


def test_a_full_quota_is_told(api: Api, project: Project) -> None:
    Quota.objects.update_or_create(
        project=project, resource="webhooks", defaults={"limit": 1}
    )
    make(api)
    refused = api.post("/webhooks", {"name": "second", "url": URL})
    document = problem(refused, 403, "resource-limit-exceeded")
    assert (document["resource"], document["limit"]) == ("webhooks", 1)


def test_a_real_receiver_gets_what_the_api_did(api: Api) -> None:
    """From the request to the receiver, with nothing in between replaced."""
    with receiving() as receiver:
        made = make(api, url=receiver.url, event_types=["keypair.*"])
        created = api.post("/keypairs", {"name": "laptop"})
        assert created.status_code == 201, created.content
        send_all(egress.post)
    (got,) = [
        g for g in receiver.got if json.loads(g.body)["type"] == "keypair.created"
    ]
    event = got.verified(made["secret"])
    assert event["subject"] == f"keypairs/{created.json()['id']}"
    assert event["data"]["actor"] == "user:alice"
    assert event["data"]["resource"]["name"] == "laptop"
    assert Delivery.objects.filter(status="SUCCEEDED").count() == len(receiver.got)
