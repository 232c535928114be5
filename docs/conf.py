"""How Sphinx builds the documentation: `make docs`, without network, warnings as errors."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extension"))
os.environ["COLUMNS"] = "90"  # of the terminal that cells of notebooks see
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"

project = "archsim"
author = "The archsim maintainers"
copyright = author  # noqa: A001 (Sphinx names it)
version = release = installed("archsim")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "archsim_reference",
]
exclude_patterns = ["_build", "_extension", "**/.ipynb_checkpoints"]
suppress_warnings = ["mystnb.unknown_mime_type"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "archsim"
html_static_path = ["_static"]
html_css_files = ["archsim.css"]
html_js_files = ["archsim.js"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1b5e8c", "color-brand-content": "#1b5e8c"},
    "dark_css_variables": {"color-brand-primary": "#7fb8e0", "color-brand-content": "#7fb8e0"},
}
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
