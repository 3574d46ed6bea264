from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person or a service that calls us; ``is_staff`` makes an operator."""
