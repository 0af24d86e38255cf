"""Formulas as MathML: every browser of today shows it, with no script, no font and no network; screen readers read it.

docutils has the converter. A LaTeX command that it does not know is a warning, and so ends the build.
"""

import re

from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)


def mathml(latex, block=False):
    r"""Write a formula as MathML; lines that `\\` ends are aligned at their `&`.

    >>> mathml("x^2")
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    latex = re.sub(r"\\(begin|end)\{align\*?\}", r"\\\1{aligned}", latex.strip())
    if "\\\\" in latex and "\\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    return re.sub(r"\s*\n\s*", "", latex2mathml.tex2mathml(latex, as_block=block))


def write(self, node, block):
    try:
        return mathml(node.astext(), block)
    except MathError as error:
        logger.warning("formula that can't be written as MathML: %s", error, location=node)
        return self.encode(node.astext())


def visit_inline(self, node):
    self.body.append(write(self, node, False))


def visit_block(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append(write(self, node, True) + "</div>\n")


def leave(self, node):
    """The formula is its own text: nothing follows."""


def skipping(visit):
    """A visitor that leaves the children alone: what they hold has been written."""

    def visited(self, node):
        from docutils.nodes import SkipNode

        visit(self, node)
        raise SkipNode

    return visited


def setup(app):
    app.add_html_math_renderer("mathml", (skipping(visit_inline), leave), (skipping(visit_block), leave))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
