"""Names of processes, which appear in tables and in the names of files."""

LONGEST_NAME = 100  # file names have at most 255 bytes


def is_process_name(text: str) -> bool:
    """Return whether a text can name a process: printable, without line breaks and `/`."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and "/" not in text


def parse_process_name(text: str) -> str:
    """Return the name of a process, or raise a ValueError if the text cannot be one."""
    if not is_process_name(text):
        raise ValueError(f"expected a name, at most {LONGEST_NAME} printable characters without '/', found {text!r}")
    return text
