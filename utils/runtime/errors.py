"""The error of input that cannot be used, which a script turns into one line."""


class UserError(Exception):
    """Input that cannot be used; the message says what, where, and what was expected and found."""
