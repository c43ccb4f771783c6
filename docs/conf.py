"""How the documentation site is built: Sphinx reads the pages of the whole repository, so that a link means the same
in the site and in the source tree.

``make docs`` builds it into out/site; every warning is an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "site"))

project = "joulewise"
author = "The joulewise authors"
project_copyright = author
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "reference",
    "command_line",
    "http_api",
    "pages",
]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "docs/**.rst", "*.md", "benchmarks/**/README.md"]
exclude_patterns = [".*", "out", "build", "dist", "src", "tests", "kernel", "packaging", "**/.*"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# The reference: every public module, from its docstrings, in which `name` is a reference.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"[A-Z]|EntryPoint|.*\[.*"),  # type variables; types of type aliases, which Sphinx does not take apart
    ("py:class", r"(keras|lightning|transformers)\..*"),
]
autodoc_mock_imports = ["keras", "lightning", "transformers"]
autodoc_use_type_comments = False
autodoc_default_options = {"ignore-module-all": True}
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
napoleon_numpy_docstring = False
toc_object_entries = False

html_theme = "furo"
html_title = "joulewise"
templates_path = ["site/templates"]
html_static_path = ["site/static"]
html_css_files = ["joulewise.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
