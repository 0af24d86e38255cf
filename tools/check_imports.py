#!/usr/bin/env python3
"""Who may import whom, made executable (docs/design.md draws it). Prints each import that goes the wrong way.

example: tools/check_imports.py
"""

import ast
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

# From the ground up; a room may import those of the floors below its own.
FLOORS = (
    ("characters", "errors"),
    ("config", "distribution", "runtime"),
    ("engines",),
    ("audio", "models"),
    ("features", "families"),
    ("words", "phones"),
    ("io", "evaluation"),
    ("plots",),
    ("workflows",),
    ("web", "study"),
    ("cli", "sklearn", "__init__"),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# A command parses, calls a workflow and prints; from below it needs settings alone.
NOT_IN_COMMANDS = {"plots", "runtime"}
# Imported where used, late: each costs a second or more, and `asrkit --help` must answer at once.
LATE = {
    "librosa",
    "matplotlib",
    "sklearn",
    "torch",
    "transformers",
    "pocketsphinx",
    "starlette",
    "uvicorn",
    "distributed",
}
AT_HOME = {
    "matplotlib": "plots",
    "sklearn": "sklearn",
    "starlette": "web",
    "uvicorn": "web",
}  # the rooms that are imported late themselves
# Where a thing may be touched at all.
ONLY_IN = {
    "argparse": {"cli"},
    "tqdm": {"cli"},
    "pathlib": {"cli", "web", "workflows", "io", "config"},
    "pickle": set(),
    "matplotlib": {"plots"},
    "joblib": {"runtime"},
    "distributed": {"engines"},
    "print": {"cli"},
    "os.environ": {"runtime"},
    "logging.getLogger()": {"cli"},
}


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(tree):
    """(module, line, whether at the top level) of every import in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = inside if node.module.split(".")[0] == "asrkit" else [node.module]
        else:
            continue
        for name in names:
            yield name, node.lineno, node in tree.body


def touched(tree):
    """(what of ONLY_IN that is no import, line)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield "print", node.lineno
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
            yield "os.environ", node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger" and not node.args:
            yield "logging.getLogger()", node.lineno


def faults():
    for path in sorted((TOP / "asrkit").rglob("*.py")):
        name = path.relative_to(TOP)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        room = room_of(".".join(name.with_suffix("").parts))
        command = name.parts[1:3] == ("cli", "commands") and name.stem != "__init__"
        for module, line, at_top in imports(tree):
            root, used = module.split(".")[0], room_of(module)
            if root == "asrkit" and used in FLOOR:
                if used != room and FLOOR[used] >= FLOOR[room]:
                    yield f"{name}:{line}: {room} may not import {used}"
                if command and module.startswith("asrkit.cli.commands."):
                    yield f"{name}:{line}: a command may not import another"
                if command and used in NOT_IN_COMMANDS:
                    yield f"{name}:{line}: a command may not import {used}: its work belongs in workflows"
            if root in LATE and at_top and room != AT_HOME.get(root):
                yield f"{name}:{line}: {root} must be imported where it is used"
            if root in ONLY_IN and room not in ONLY_IN[root]:
                yield f"{name}:{line}: {root} belongs in {', '.join(sorted(ONLY_IN[root])) or 'no room'}"
        for thing, line in touched(tree):
            if room not in ONLY_IN[thing]:
                yield f"{name}:{line}: {thing} belongs in {', '.join(sorted(ONLY_IN[thing]))}"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) if found else "imports go downward only")
    sys.exit(1 if found else 0)
