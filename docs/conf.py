"""How the documentation is built; see "Documentation" in CONTRIBUTING.rst.

Nothing is fetched while it is built or read: intersphinx is off unless CALGAN_DOCS_INTERSPHINX is
set, formulas are MathML, and the theme brings its own fonts and scripts.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

# One thread a process: the gallery runs two examples at once. Set before numpy is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

EXTENSIONS = Path(__file__).parent / "_ext"
sys.path.insert(0, str(EXTENSIONS))
# The gallery's parallel workers import the scraper too.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(EXTENSIONS), *filter(None, [os.environ.get("PYTHONPATH")])]
)

import calgan

project = "calgan"
author = "The calgan developers"
project_copyright = "The calgan developers, BSD-3-Clause"
version = release = calgan.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
    "public_names",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "_ext",
    "**/GALLERY_HEADER.rst",
    "**/sg_execution_times.rst",
    "sg_execution_times.rst",
]
# A name in single backticks links to its page if it is a public one.
default_role = "public"
math_number_all = False

# Every explicit cross-reference has to lead somewhere; those to other projects are not fetched.
nitpicky = True
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(abc|collections|joblib|lightning_fabric|matplotlib|neo|numpy|"
        r"scipy|sklearn|torch)\b.*",
    )
]
if os.environ.get("CALGAN_DOCS_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }

# ------------------------------------------------------------------ reference
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings give types, shapes and units
autodoc_default_options = {"member-order": "bysource"}
numpydoc_show_class_members = False  # the template of classes shows them
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88

# ------------------------------------------------------------------ gallery
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"[/\\]plot_",
    "ignore_pattern": r"^(demo|__init__)\.py",  # of a file's name
    "backreferences_dir": "auto_examples/backreferences",
    "doc_module": ("calgan",),
    "reference_url": {"calgan": None},
    # The latter closes the figures that it has saved, after which they would be taken for others.
    "within_subsection_order": "figures.Order",
    "image_scrapers": ("figures.scrape", "matplotlib"),
    # Figures are shown as images; their repr says nothing more.
    "ignore_repr_types": r"matplotlib\.(figure|axes|text|image)|calgan\.plotting",
    "capture_repr": ("_repr_html_", "__repr__"),
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "parallel": 2,
    "reset_modules": ("matplotlib", "figures.end_processes"),
    "reset_modules_order": "both",
    "remove_config_comments": True,
    "show_signature": False,
    "download_all_examples": False,
    "plot_gallery": "True",
    "min_reported_time": 1,
}

# ------------------------------------------------------------------ pages
html_theme = "pydata_sphinx_theme"
html_title = "calgan"
html_static_path = ["_static"]
html_css_files = ["calgan.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "calgan"},
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navigation_depth": 3,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "changelog": [], "contributing": []}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# Examples run with Python's usual warnings, so that what a user would see is seen here.
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"sphinx_gallery\..*")
