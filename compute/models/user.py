from django.contrib.auth.models import AbstractUser

#: What the log calls who sends nothing to be known by.
ANONYMOUS = "anonymous"


class User(AbstractUser):
    """A person or a service that calls us; ``is_staff`` makes an operator."""
