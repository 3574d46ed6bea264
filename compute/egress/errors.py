"""Why a URL is not called, or did not answer."""


class Refused(Exception):
    """The URL is none that may be called; the message is for who has named it."""


class Unreachable(Exception):
    """There was no whole answer; the message says what went wrong."""
