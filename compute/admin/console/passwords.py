"""A new password for oneself: the old one is asked for, and can be guessed at."""

from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import ValidationError

from compute.errors import RateLimited
from compute.services.guesses import Guess


class OwnPasswordForm(PasswordChangeForm):
    """Counts guesses at the old one, which a session left open would allow."""

    required_css_class = "required"

    def clean_old_password(self) -> str:
        # Apart from logins: who is logged in slows down nobody who wants to.
        name = f"{self.user.get_username()} of a session"
        guess = Guess(name, "", is_familiar=lambda: True)
        try:
            guess.require_patience()
        except RateLimited as problem:
            raise ValidationError(problem.detail) from problem
        try:
            old: str = super().clean_old_password()
        except ValidationError:
            guess.was_wrong()
            raise
        guess.was_right()
        return old
