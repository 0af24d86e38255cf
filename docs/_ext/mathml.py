"""Formulas as MathML: browsers of today show it with no script and no network, and screen readers read it.

math-core makes MathML Core of LaTeX, the part that all browsers have. The font, STIX Two Math, is the one that ziamath brings; without
a font of mathematics brackets do not grow with what they hold. A LaTeX command that is not known is a warning, and so fails the build.
"""

import importlib.resources
import re

from docutils.nodes import SkipNode
from math_core import LatexError, LatexToMathML
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

FONT = importlib.resources.files("ziamath.fonts") / "STIXTwoMath-Regular.ttf"
CONVERTER = LatexToMathML()
logger = logging.getLogger(__name__)


def mathml(latex, block=False):
    r"""Write a formula as MathML; lines that `\\` ends are aligned at their `&`.

    >>> mathml("x^2")
    '<math><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    latex = re.sub(r"\\(begin|end)\{align\*?\}", r"\\\1{aligned}", latex.strip())
    if "\\\\" in latex and "\\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    return CONVERTER.convert_with_local_state(latex, displaystyle=block)


def write(self, node, block):
    try:
        return mathml(node.astext(), block)
    except LatexError as error:
        said = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip().splitlines()[0]  # without colours and drawing
        logger.warning("formula that can't be written as MathML: %s", said, location=node)
        return self.encode(node.astext())


def visit_inline(self, node):
    self.body.append(write(self, node, False))
    raise SkipNode


def visit_block(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append(write(self, node, True) + "</div>\n")
    raise SkipNode


def add_font(app, config):
    config.html_static_path.append(str(FONT))


def setup(app):
    app.connect("config-inited", add_font)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
