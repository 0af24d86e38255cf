#!/usr/bin/env python3
"""Count how the package is built: what docs/design.md promises of its structure, in figures. Exit status 1 if a promise is broken.

example: tools/structure.py
"""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "asrkit"
MOST_FLAT = 9  # modules beside the rooms
PUBLIC_ROOMS = ("workflows",)


def trees(folder):
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def commands_that_import_commands():
    found = []
    for path, tree in trees(PACKAGE / "cli" / "commands"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asrkit.cli.commands"):
                found.append(path.name)
    return found


def library_lines_in_commands():
    """Lines of functions that take neither the parser nor parsed arguments and print nothing: work in hiding."""
    lines, names = 0, []
    for path, tree in trees(PACKAGE / "cli" / "commands"):
        for node in functions(tree):
            taken = {arg.arg for arg in node.args.args}
            called = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
            if not taken & {"args", "parser", "self"} and not called & {"print", "say"}:
                lines += node.end_lineno - node.lineno + 1
                names.append(f"{path.name}:{node.name}")
    return lines, names


def felt_for():
    """hasattr, and getattr with a default, on objects of the package: capabilities that are not declared."""
    found = []
    for path, tree in trees(PACKAGE):
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            name = called.id if isinstance(called, ast.Name) else ""
            if name == "hasattr" or (name == "getattr" and len(node.args) == 3):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    return found


def annotated():
    """Functions with an annotation, of all and of the public ones in the rooms that people import from."""
    every = [node for _, tree in trees(PACKAGE) for node in functions(tree)]
    public = [
        node
        for room in PUBLIC_ROOMS
        for _, tree in trees(PACKAGE / room)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]

    def count(some):
        return sum(node.returns is not None for node in some), len(some)

    return count(every), count(public)


def main():
    flat = sorted(path.name for path in PACKAGE.glob("*.py"))
    crossing = commands_that_import_commands()
    hidden, names = library_lines_in_commands()
    (typed, all_functions), (typed_public, public) = annotated()
    felt = felt_for()
    rows = [
        ("commands that import another command", len(crossing), not crossing, ", ".join(crossing)),
        ("lines of library code in commands", hidden, not hidden, ", ".join(names)),
        ("modules flat in asrkit/", len(flat), len(flat) <= MOST_FLAT, ", ".join(flat)),
        ("hasattr, and getattr with a default", len(felt), True, ", ".join(felt)),
        (f"functions with annotations, of {all_functions}", typed, True, ""),
        (f"functions of workflows with annotations, of {public}", typed_public, True, ""),
    ]
    for what, number, well, detail in rows:
        print(f"{what:<55} {number:5d}" + ("" if well else f"   FALLS SHORT: {detail}"))
    return 0 if all(well for *_, well, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
