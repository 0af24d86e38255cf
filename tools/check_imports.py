#!/usr/bin/env python3
"""Who may import whom, made executable (docs/design.md draws it). Prints each import that goes the wrong way.

example: tools/check_imports.py
"""

import ast
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

# A room and the rooms below it that it may use. "models" stands for all of asrkit/models, and so on.
MAY_IMPORT = {
    "errors": set(),
    "kernels": set(),
    "runtime": set(),
    "config": {"errors"},
    "endpoint": {"config"},
    "codebook": {"config"},
    "mfcc": set(),
    "warp": {"config", "mfcc"},
    "frontend": {"config", "endpoint", "mfcc"},
    "ssl_features": set(),
    "sphinx": set(),
    "duplicates": set(),
    "folds": set(),
    "perturb": {"errors", "config"},
    "scoring": {"errors"},
    "fusion": set(),
    "race": {"scoring"},
    "plots_style": set(),
    "plots": {"scoring", "plots_style"},
    "rating": set(),
    "allophones": set(),
    "plots_pronunciation": {"plots_style"},
    "plots_phones": {"plots_style"},
    "phone_plane": set(),
    "models": {"kernels", "config"},
    "families": {"models", "codebook", "config"},
    "tokens": set(),
    "lda": {"models"},
    "mixgop": {"models", "codebook", "tokens", "config"},
    "gop": {"models"},
    "training": {"families", "config"},
    "grid": {"errors", "config", "families", "training", "codebook", "frontend", "warp"},
    "decoding": {"models"},
    "adaptation": {"training", "codebook", "config"},
    "io": {
        "errors", "config", "models", "families", "training", "codebook", "endpoint", "frontend", "warp", "mixgop", "gop",
        "lda", "tokens", "ssl_features",
    },
    "bin": {
        "errors", "config", "io", "runtime", "plots", "families", "models", "training", "adaptation", "decoding", "frontend", "endpoint",
        "codebook", "duplicates", "folds", "fusion", "scoring", "perturb", "warp", "grid", "race", "rating", "allophones", "plots_pronunciation",
        "plots_phones", "phone_plane", "mixgop", "gop", "tokens", "lda", "ssl_features", "sphinx",
    },
    "cli": {"errors", "config", "runtime", "bin"},
    "__main__": {"cli"},
}
# Imported where used, late: each costs a second or more, and `asrkit --help` must answer at once.
LATE = {"librosa", "matplotlib", "sklearn", "torch", "transformers", "pocketsphinx"}
# Where a thing may be touched at all.
ONLY_IN = {
    "argparse": {"cli", "bin", "config"}, "pathlib": {"bin", "io", "config"}, "pickle": set(),
    "matplotlib": {"plots", "plots_style", "plots_pronunciation", "plots_phones"},
}


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(tree):
    """(module, line, whether at the top level) of every import in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module] if node.module != "asrkit" else [f"asrkit.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node.lineno, node in tree.body


def faults():
    for path in sorted((TOP / "asrkit").rglob("*.py")):
        name = path.relative_to(TOP)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        room = room_of(".".join(name.with_suffix("").parts))
        for module, line, at_top in imports(tree):
            root = module.split(".")[0]
            if root == "asrkit":
                used = room_of(module)
                if used not in ("", "__version__", room) and used not in MAY_IMPORT.get(room, set()):
                    yield f"{name}:{line}: {room} may not import {used}"
            if root in LATE and at_top and room not in ONLY_IN.get(root, set()):
                yield f"{name}:{line}: {root} must be imported where it is used"
            if root in ONLY_IN and room not in ONLY_IN[root]:
                yield f"{name}:{line}: {root} belongs in {', '.join(sorted(ONLY_IN[root])) or 'no room'}"
        if room != "bin" and room != "cli":
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                    yield f"{name}:{node.lineno}: print belongs in bin"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) if found else "imports go downward only")
    sys.exit(1 if found else 0)
