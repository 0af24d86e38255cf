"""The reference of the commands, made from the commands: each parser is asked for its options when the site is built.

`.. asrkit-command:: NAME` is all that a page of a command holds. In all pages `asrkit NAME …`
links to that page, and `asrkit.NAME` to the reference of Python.
"""

import argparse
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util.nodes import make_refnode

from asrkit.cli.main import GROUPS, all_commands, build_parser, load_command

FOLDER = "commands/generated"


def names():
    """Every command, of groups each of their own, to its summary."""
    found = {}
    for name, summary in all_commands().items():
        inner = GROUPS.get(name)
        found.update({f"{name} {part}": about for part, about in inner.items()} if inner else {name: summary})
    return found


def page_of(name):
    return f"{FOLDER}/{name.replace(' ', '-')}"


def write_pages(app):
    folder = Path(app.srcdir, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {}
    for name in names():
        title = f"asrkit {name}"
        texts[Path(app.srcdir, page_of(name) + ".rst")] = (
            f"{title}\n{'=' * len(title)}\n\n.. asrkit-command:: {name}\n"
        )
    for path in folder.glob("*.rst"):
        if path not in texts:
            path.unlink()
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def options_of(parser):
    """Options of a parser: dict of the title of the group to its actions."""
    found = {}
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        if actions:
            found.setdefault(group.title, []).extend(actions)
    return found


def told(action):
    """What an option is called, what it does, and what stands where nobody gives it."""
    name = ", ".join(action.option_strings) or action.metavar or action.dest
    if action.option_strings and action.nargs != 0:
        value = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
        name += f" {value}"
    text, default = (action.help or "") % {"default": action.default}, ""
    while not default and " (default: " in text:  # an empty default may stand behind what it means
        text, _, default = text.removesuffix(")").rpartition(" (default: ")
    return name, text, default


def flagged(text):
    """Text in which options, and what stands in backticks, are code."""
    for part in re.split(r"(`[^`]+`|(?<![\w-])--[a-z][\w-]*(?:=[^\s,;)]+)?)", text):
        if part.startswith(("`", "--")):
            yield nodes.literal(part, part.strip("`"))
        elif part:
            yield nodes.Text(part)


def table_of(actions):
    rows = [told(action) for action in actions]
    defaults = any(default for _, _, default in rows)
    heads, widths = (
        (("option", "meaning", "default"), (30, 50, 20)) if defaults else (("", "meaning"), (30, 70))
    )
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", row_of([[nodes.Text(head)] for head in heads]))
    body = nodes.tbody()
    for name, text, default in rows:
        what = nodes.Text(default) if " " in default else nodes.literal(default, default)
        cells = [[nodes.literal(name, name)], list(flagged(text)), [what] if default else []]
        body += row_of(cells[: len(heads)])
    group += body
    return nodes.table("", group, classes=["options"])


def row_of(cells):
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def text_of(text):
    """A docstring as paragraphs; blocks that are indented stay as they are."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if all(line.startswith(" ") for line in block.splitlines()):
            yield nodes.literal_block(block, block, language="text")
        else:
            yield nodes.paragraph("", "", *flagged(" ".join(block.split())))


def section_of(title, *content):
    return nodes.section("", nodes.title("", "", *flagged(title)), *content, ids=[nodes.make_id(title)])


class Command(Directive):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        name = self.arguments[0]
        module = load_command(name)
        parser = build_parser(name, module, [])
        usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
        usage = (
            f"asrkit {name} [options]" + "".join(f" {word}" for word in positionals(parser))
            if "[" in usage
            else usage
        )
        found = [nodes.literal_block(usage, usage, language="text"), *text_of(module.__doc__)]
        if example := getattr(module, "EXAMPLE", ""):
            lines = re.sub(r"^examples?:\s*", "", example.strip())
            lines = "\n".join(line.strip() for line in lines.splitlines())
            found.append(section_of("Example", nodes.literal_block(lines, lines, language="text")))
        base = {action.dest: action.help for _, actions in options_of(parser).items() for action in actions}
        for title, actions in options_of(parser).items():
            shown = {"positional arguments": "Arguments", "options": "Options"}.get(
                title, f"Options: {title}"
            )
            found.append(section_of(shown, table_of(actions)))
        families = next((a.choices for a in parser._actions if a.dest == "family" and a.choices), ())
        for family in families:
            chosen = build_parser(name, module, ["--family", family])
            own = [
                a for _, actions in options_of(chosen).items() for a in actions if base.get(a.dest) != a.help
            ]
            if own:
                found.append(section_of(f"Options with --family {family}", table_of(own)))
        return found


def positionals(parser):
    """How the arguments stand in the usage."""
    formatter = argparse.HelpFormatter("")
    return [
        formatter._format_args(action, action.metavar or action.dest)
        for action in parser._actions
        if not action.option_strings
    ]


def link_commands(app, doctree, docname):
    """Let `asrkit NAME …` lead to the page of the command; on the page of all of them `NAME …`, too."""
    known = names()
    for node in list(doctree.findall(nodes.literal)):
        words = node.astext().split()
        if words[:1] == ["asrkit"]:
            words = words[1:]
        elif docname != "commands/index":
            continue
        name = next((n for n in (" ".join(words[:2]), " ".join(words[:1])) if n in known), None)
        if (
            name is None
            or page_of(name) == docname
            or isinstance(node.parent, (nodes.reference, nodes.title))
        ):
            continue
        node.replace_self(
            make_refnode(app.builder, docname, page_of(name), "", [node.deepcopy()], known[name])
        )


def link_names(app, doctree, docname):
    """Let `asrkit.NAME` lead to what the reference says of it."""
    known = app.env.get_domain("py").objects
    for node in list(doctree.findall(nodes.literal)):
        name = node.astext().partition("(")[0]
        if (
            not name.startswith("asrkit.")
            or name not in known
            or isinstance(node.parent, (nodes.reference, nodes.title))
        ):
            continue
        entry = known[name]
        if entry.docname != docname:
            node.replace_self(
                make_refnode(app.builder, docname, entry.docname, entry.node_id, [node.deepcopy()], name)
            )


def setup(app):
    app.connect("doctree-resolved", link_names)
    app.add_directive("asrkit-command", Command)
    app.connect("builder-inited", write_pages)
    app.connect("doctree-resolved", link_commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
