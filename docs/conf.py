"""Settings of Sphinx for the documentation: `make docs` builds it."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

project = "L1 regression"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "extension"]
exclude_patterns = ["_build", "report"]  # report/ has the captions of the workflow's report

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_title = f"L1 regression {release}"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
napoleon_google_docstring = False
napoleon_use_param = False  # types of parameters are prose, such as shapes and units
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

# References within the project are checked; other libraries have no pages here.
nitpick_ignore_regex = [(r"py:.*", r"(?!(utils|nn)\.).*")]
linkcheck_timeout = 20
