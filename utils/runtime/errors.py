"""The error of input that cannot be used, which a script turns into one line, and the exit codes of a script."""

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class UserError(Exception):
    """Input that cannot be used; the message says what, where, and what was expected and found."""
