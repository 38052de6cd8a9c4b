"""The README is short, and its links lead to what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
LINKS = sorted(set(re.findall(r"\]\(([^)#:]+)\)|src=\"([^\"]+)\"", README)))


def test_the_readme_fits_two_screens():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("link", ["".join(pair) for pair in LINKS])
def test_links_within_the_project_lead_to_files(link):
    assert (ROOT / link).is_file()


def test_each_page_of_the_documentation_is_in_the_readme():
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*/*.md")}
    pages = {page for page in pages if page.split("/")[1] not in ("_build", "api", "generated")}
    assert pages <= {"".join(pair) for pair in LINKS}
