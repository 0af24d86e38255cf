"""How the documentation becomes a site: `make -C docs html`, without a network.

Nothing here looks anything up elsewhere (no intersphinx), and no page loads anything from elsewhere: `_ext/closed.py` sees to it.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
# Lessons and examples run in this process and its children: they take this checkout, and draw without a screen.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
os.environ["MPLBACKEND"] = "agg"

from asrkit.distribution import VERSION  # noqa: E402

project = "asrkit"
author = "The asrkit authors"
copyright = "the asrkit authors, Apache-2.0"
version = release = VERSION

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "commands",
    "links",
    "closed",
]
exclude_patterns = ["_build", "lessons", "**/README.rst"]

# Names that are no targets: those of other libraries, which no page here explains.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|np|scipy|sklearn|matplotlib|pathlib|npt|collections)\..*|ArrayLike|NDArray|Path")
]

myst_enable_extensions = ["deflist", "dollarmath", "colon_fence"]
myst_heading_anchors = 3

default_role = "code"  # what docstrings have in single backticks
autodoc_typehints = "none"  # numpydoc's sections say them, with shapes and units
autosummary_generate = True
numpydoc_show_class_members = False  # the template lists them
templates_path = ["_templates"]

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "asrkit"
html_logo = "../asrkit/web/assets/icon.svg"
html_favicon = "../asrkit/web/assets/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "asrkit"},
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "changelog": []}

sphinx_gallery_conf = {
    "examples_dirs": "lessons",
    "gallery_dirs": "gallery",
    "filename_pattern": r"[/\\]plot_",
    "ignore_pattern": r"(^|[/\\])(?!plot_)\w+\.py$",  # what lessons share is no lesson
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": None,
    "reset_modules": ("matplotlib",),
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "capture_repr": (),  # what a lesson prints is shown, not what its last line is
}
