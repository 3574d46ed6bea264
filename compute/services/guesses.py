"""Guesses at a password: slower with every failure, and never a lock-out.

The count of an account slows down those who come from networks that it has not logged
in from. A network that it has logged in from waits only for failures of its own. So
whoever guesses at somebody's password, from however many networks, costs them at most
one wait of a minute at a new place, and nothing at a known one. Nobody is made to wait
inside a request: it is refused, and says when to come again.
"""

import hashlib
from collections.abc import Callable

from compute import throttling
from compute.errors import RateLimited

#: Failures that cost nothing.
FREE = 5
#: The longest wait, in seconds.
LONGEST = 60
#: Seconds for which a failure counts.
WINDOW = 3600


class Guess:
    """One attempt at an account's password from a network."""

    def __init__(
        self, username: str, network: str, *, is_familiar: Callable[[], bool]
    ) -> None:
        # Whether the account exists makes no difference, so it tells nothing.
        account = hashlib.sha256(username.encode()).hexdigest()[:32]
        self._account = f"guesses:{account}"
        self._here = f"{self._account}:{network}"
        self._pause = f"{self._here}:pause"
        self._waited = f"{self._here}:waited"
        self._is_familiar = is_familiar

    def require_patience(self) -> None:
        """Raise RateLimited unless this network has waited long enough.

        Of several guesses at once one is let through.
        """
        delay = self._delay()
        if not delay:
            return
        left = throttling.seconds_left(self._pause)
        is_new_here = not left and throttling.tally(self._waited, seconds=WINDOW) == 1
        if left or throttling.tally(self._pause, seconds=delay) > 1 or is_new_here:
            wait = left or delay
            problem = RateLimited(
                f"Too many failed logins. Try again in {wait} s.",
                violated_policies=["auth"],
            )
            problem.retry_after = wait
            raise problem

    def was_wrong(self) -> None:
        """Count a failure."""
        throttling.tally(self._account, seconds=WINDOW)
        throttling.tally(self._here, seconds=WINDOW)
        if delay := self._delay():
            throttling.untally(self._pause)
            throttling.tally(self._pause, seconds=delay)
            throttling.tally(self._waited, seconds=WINDOW)

    def was_right(self) -> None:
        """Forget the failures of this network: it is the account's own."""
        for key in (self._here, self._pause, self._waited):
            throttling.untally(key)

    def _delay(self) -> int:
        failures = throttling.tallied(self._here)
        everywhere = throttling.tallied(self._account)
        if failures < everywhere and everywhere >= FREE and not self._is_familiar():
            failures = everywhere
        # Doubled with each; a larger exponent would only make a larger number.
        excess = min(failures - FREE, 10)
        return 0 if excess < 0 else min(LONGEST, int(2**excess))
