"""However many call at once: a process has no more connections than its pool."""

import threading

from tests.attacks.conftest import POOL
from tests.support.serving import MARKS, Crowd, Ground, Service, connections

pytestmark = MARKS


def test_seventy_requests_at_once_share_a_few_connections(
    service: Service, ground: Ground
) -> None:
    counts, done = [], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            counts.append(connections(ground))

    crowd, watcher = Crowd(), threading.Thread(target=watch)
    watcher.start()
    crowd.add(70, lambda: service.api("GET", "/vms?per_page=5"))
    answers = crowd.all()
    done.set()
    watcher.join()
    assert {answer.status for answer in answers} == {200}
    # Two workers by WSGI, one by ASGI.
    assert 1 <= max(counts) <= 3 * POOL
