"""The messages on the page for troubleshooting are those of the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "troubleshooting.md").read_text()
CODE = "\n".join(
    path.read_text() for path in [*(ROOT / "utils").rglob("*.py"), *(ROOT / "nn").rglob("*.py"), *ROOT.glob("*.py")]
)
TEXT = re.sub(r'"\s*\n\s*f?"', "", CODE).replace("{MEMORY >> 20}", "512").replace("{SECONDS_FOR_THE_CHIEF}", "3600")


def messages():
    """Yield the messages in the tables of the page but those of Snakemake, and their parts without placeholders."""
    section = ""
    for line in PAGE.splitlines():
        section = line if line.startswith("## ") else section
        if line.startswith("| `") and section != "## Snakemake":
            for message in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
                if " " in message:
                    yield message


@pytest.mark.parametrize("message", list(messages()))
def test_a_message_is_in_the_code(message):
    parts = [part.strip() for part in re.split(r"\.\.\.|'X'|\b[NM]\b", message)]
    for part in parts:
        assert part in TEXT
