"""How this asrkit was installed: its version, and what to type for an extra. The index has another project of this name."""

from asrkit.errors import DataError

VERSION = "0.2.0.dev0"
NAME = "asrkit-classic"  # of the distribution; the package that it brings is asrkit
# What the extras bring, where only the sources are there.
_NOT_INSTALLED = {
    "align": ["pocketsphinx"],
    "cluster": ["distributed"],
    "live": ["sounddevice"],
    "remote": ["fsspec"],
    "ssl": ["torch", "transformers"],
    "web": ["starlette", "uvicorn", "websockets"],
}


def missing_extra(extra: str, what: str, error: ImportError) -> DataError:
    """Make the DataError for a library that an extra would have brought, with the command that installs it.

    Parameters
    ----------
    extra : str
        A name of setup.cfg's `options.extras_require`.
    what : str
        What needs it: `mixgop align needs pocketsphinx`.
    error : ImportError
    """
    return DataError(f"{what} ({error}): {install_command(extra)}")


def install_command(extra: str) -> str:
    """What installs an extra: from the sources where asrkit was installed from them, else the libraries by their names."""
    import importlib.metadata  # late, all of these: `import asrkit` asks for the version alone
    import json
    import shlex

    # A clone's own egg-info may stand beside the installed.
    found = list(importlib.metadata.distributions(name=NAME))
    for distribution in found:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable") and origin.get("url", "").startswith("file://"):
            from urllib.request import url2pathname

            folder = url2pathname(origin["url"].removeprefix("file://"))
            return f"pip install -e {shlex.quote(f'{folder}[{extra}]')}"
    wanted = [
        requirement.partition(";")[0].strip()
        for distribution in found[:1]
        for requirement in distribution.requires or []
        if f'extra == "{extra}"' in requirement.replace("'", '"')
    ]
    return f"pip install {shlex.join(wanted or _NOT_INSTALLED.get(extra, [extra]))}"
