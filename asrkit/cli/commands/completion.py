"""Print a script that completes asrkit's command line in a shell: commands, options and their values, else files.

The options of a family are completed where the line names it (--family). The script is a table and needs no Python
at a tab; after an update of asrkit, write it anew. `source <(asrkit completion bash)` is for the shell that runs;
for every shell to come it belongs into a file:
  asrkit completion bash > ~/.local/share/bash-completion/completions/asrkit
  asrkit completion zsh > ~/.zfunc/_asrkit       (a folder of fpath, before compinit)
  asrkit completion fish > ~/.config/fish/completions/asrkit.fish
"""

from asrkit.cli.completion import SHELLS, completion_script, completion_table

EXAMPLE = "example: asrkit completion bash > asrkit.bash && source asrkit.bash"


def add_arguments(parser):
    parser.add_argument("shell", metavar="|".join(SHELLS), choices=tuple(SHELLS), help="for which shell")


def main(args):
    print(completion_script(args.shell, completion_table()), end="")
    return 0
