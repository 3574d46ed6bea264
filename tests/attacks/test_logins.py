"""Many that log in at once keep nobody else waiting."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attacks.conftest import Front
from tests.support.slow_clients import PROMPT, Answer, post, send, watching

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.broker,
    pytest.mark.once,  # it brings its own database
    # One service for all of them, so one test process.
    pytest.mark.xdist_group("attacks"),
]


def test_sixty_networks_guess_at_once(front: Front) -> None:
    def guess(number: int) -> Answer:
        body = json.dumps({"username": f"somebody-{number}", "password": "letters"})
        sent = post(
            "/api/v1/auth/tokens",
            body,
            "Content-Type: application/json",
            f"X-Forwarded-For: 203.0.{number}.1",
        )
        return send(front.api, sent)

    with watching(front.api) as watch, ThreadPoolExecutor(60) as pool:
        told = list(pool.map(guess, range(60)))
    statuses = Counter(answer.status for answer in told)
    assert statuses.keys() == {401, 429}
    refused = next(answer for answer in told if answer.status == 429)
    assert refused.headers["retry-after"] == "1"
    assert watch.worst < 2 * PROMPT
