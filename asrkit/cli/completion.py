"""Scripts that complete asrkit's command line in bash, zsh and fish, made of the commands' parsers.

A script holds all that can be completed as a table, so that the shell starts no Python at a tab. Its keys are beginnings of
command lines: `train` has the options of the command, `train --family=chmm` those that this choice adds, and
`train --family` the values that the option may have. What has none is completed as a file.
"""

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Iterator
from string import Template

from asrkit import __version__
from asrkit.cli import main as cli
from asrkit.cli.options import boolean


@dataclasses.dataclass(frozen=True)
class CompletionTable:
    """What may follow the beginning of a command line.

    Parameters
    ----------
    options : dict of str to tuple of str
        Long options.
    values : dict of str to dict of str to str
        Commands, or values of an option or of an argument, and what each stands for ("" if that goes without saying).
    """

    options: dict[str, tuple[str, ...]]
    values: dict[str, dict[str, str]]


def completion_table() -> CompletionTable:
    """Build the parsers of all commands, with every choice that adds options, and list what they take."""
    options: dict[str, tuple[str, ...]] = {"": ("--help", "--version")}
    values: dict[str, dict[str, str]] = {"": {**cli.all_commands(), "help": "what a command does"}}
    for command in values[""].keys() - cli.GROUPS.keys() - {"help"}:
        _add_command(options, values, command)
    for group, commands in cli.GROUPS.items():
        options[group], values[group] = ("--help",), commands
        for command in commands:
            _add_command(options, values, f"{group} {command}")
    return CompletionTable(dict(sorted(options.items())), dict(sorted(values.items())))


def _add_command(options, values, command):
    module = cli.load_command(command)
    plain = _actions(cli.build_parser(command, module, []))
    _add_actions(options, values, command, plain)
    if hasattr(module, "add_chosen_arguments"):
        for flag, action in plain.items():
            for choice in action.choices or ():
                chosen = _actions(cli.build_parser(command, module, [flag, choice]))
                added = {name: action for name, action in chosen.items() if name not in plain}
                _add_actions(options, values, f"{command} {flag}={choice}", added)


def _actions(parser) -> dict[str, argparse.Action]:
    """What a parser takes by long option, and by name for arguments without one."""
    return {
        next((flag for flag in action.option_strings if flag.startswith("--")), action.dest): action
        for action in parser._actions
    }


def _add_actions(options, values, key, actions):
    flags = tuple(name for name in actions if name.startswith("--"))
    if flags:
        options[key] = flags
    for name, action in actions.items():
        choices = ("true", "false") if action.type is boolean else action.choices
        if choices:
            values[f"{key} {name}" if name in flags else key] = dict.fromkeys(choices, "")


def completion_script(shell: str, table: CompletionTable) -> str:
    """Write the script of a shell.

    Parameters
    ----------
    shell : str
        One of SHELLS.
    table : CompletionTable

    Returns
    -------
    str
        Text to be sourced, or to be put where the shell looks for completions.
    """
    text, items, render = SHELLS[shell]
    options: dict[str, dict[str, str]] = {
        key: dict.fromkeys(flags, "") for key, flags in table.options.items()
    }
    return Template(text).substitute(
        version=__version__,
        groups=" ".join(map(shlex.quote, sorted(cli.GROUPS))),
        options="\n".join(render(options, items)),
        values="\n".join(render(table.values, items)),
    )


def _by_result(table: dict[str, dict[str, str]]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Every result once, with all keys that have it."""
    keys: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for key, found in table.items():
        keys.setdefault(tuple(found.items()), []).append(key)
    for found, having in keys.items():
        yield having, dict(found)


def _cases(table: dict[str, dict[str, str]], items: Callable[[dict[str, str]], str]) -> Iterator[str]:
    """Branches of a `case` of bash and zsh."""
    for keys, found in _by_result(table):
        yield f"    {'|'.join(map(_quote, keys))}) found=({items(found)}) ;;"


def _fish_cases(table: dict[str, dict[str, str]], items: Callable[[dict[str, str]], str]) -> Iterator[str]:
    """Branches of a `switch` of fish."""
    for keys, found in _by_result(table):
        yield f"        case {' '.join(map(_quote, keys))}\n            printf '%s\\n' {items(found)}"


def _quote(text: str) -> str:
    """A word in single quotes, as all three shells read it."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _words(found: dict[str, str]) -> str:
    return " ".join(map(shlex.quote, found))


def _zsh_items(found: dict[str, str]) -> str:
    """Words for `_describe`: `word:meaning`."""
    escaped = {word.replace(":", "\\:"): meaning for word, meaning in found.items()}
    return " ".join(_quote(f"{word}:{meaning}" if meaning else word) for word, meaning in escaped.items())


def _fish_items(found: dict[str, str]) -> str:
    """Words as fish takes candidates: word, tab, meaning."""
    return " ".join(_quote(f"{word}\t{meaning}" if meaning else word) for word, meaning in found.items())


BASH = r"""# Completion of asrkit $version for bash; asrkit completion bash writes it.

_asrkit_options() {
  case $$1 in
$options
    *) found=() ;;
  esac
}

_asrkit_values() {
  case $$1 in
$values
    *) found=() ;;
  esac
}

_asrkit() {
  local IFS=$$' \t\n' words=("$${COMP_WORDS[@]:1}") at=$$((COMP_CWORD - 1))
  local depth=1 cur prev option= prefix= word value key keys found list=() i
  COMPREPLY=()
  if [[ $${words[0]-} == help && at -gt 0 ]]; then
    words=("$${words[@]:1}") at=$$((at - 1))
  fi
  for word in $groups; do
    if [[ $${words[0]-} == "$$word" ]]; then depth=2; fi
  done
  cur=$${words[at]-}
  if ((at < depth)); then
    keys=("$${words[*]:0:at}")
  else
    keys=("$${words[*]:0:depth}")
    prev=$${words[at - 1]}
    case $$cur in # bash makes three words of --option=value, but for a shell that is set up otherwise
      --*=*) option=$${cur%%=*} prefix=$${cur%%=*}= cur=$${cur#*=} ;;
      =) option=$$prev cur= ;;
      -*) ;;
      *)
        case $$prev in
          =) option=$${words[at - 2]} ;;
          --*=*) ;;
          --*) option=$$prev ;;
        esac
        ;;
    esac
    for ((i = depth; i < $${#words[@]}; i++)); do
      word=$${words[i]}
      case $$word in
        --*=*) keys+=("$$keys $$word") ;;
        --*)
          value=$${words[i + 1]-}
          if [[ $$value == = ]]; then value=$${words[i + 2]-}; fi
          keys+=("$$keys $$word=$$value")
          ;;
      esac
    done
  fi
  for key in "$${keys[@]}"; do
    if [[ -n $$option ]]; then
      _asrkit_values "$$key $$option"
    elif [[ $$cur == -* ]]; then
      _asrkit_options "$$key"
    else
      _asrkit_values "$$key"
    fi
    if (($${#found[@]})); then list+=("$${found[@]}"); fi
  done
  if (($${#list[@]})); then
    COMPREPLY=($$(compgen -P "$$prefix" -W "$${list[*]}" -- "$$cur"))
  fi
}

complete -o bashdefault -o default -F _asrkit asrkit
"""

ZSH = r"""#compdef asrkit
# Completion of asrkit $version for zsh; asrkit completion zsh writes it.

_asrkit_options() {
  case $$1 in
$options
    *) found=() ;;
  esac
}

_asrkit_values() {
  case $$1 in
$values
    *) found=() ;;
  esac
}

_asrkit() {
  local -a line keys found list kind
  local at=$$((CURRENT - 1)) depth=1 cur prev option= word key i
  line=("$${(@)words[2,-1]}")
  if [[ $$line[1] == help ]] && ((at > 1)); then
    shift line
    at=$$((at - 1))
  fi
  for word in $groups; do
    if [[ $$line[1] == $$word ]]; then depth=2; fi
  done
  cur=$$PREFIX
  if ((at <= depth)); then
    keys=("$${(j: :)line[1,at-1]}")
  else
    keys=("$${(j: :)line[1,depth]}")
    prev=$$line[at-1]
    case $$cur in
      --*=*)
        option=$${cur%%=*}
        compset -P '*='
        ;;
      -*) ;;
      *) if [[ $$prev == --* && $$prev != *=* ]]; then option=$$prev; fi ;;
    esac
    for ((i = depth + 1; i <= $$#line; i++)); do
      word=$$line[i]
      case $$word in
        --*=*) keys+=("$$keys[1] $$word") ;;
        --*) keys+=("$$keys[1] $$word=$$line[i+1]") ;;
      esac
    done
  fi
  for key in "$${(@)keys}"; do
    if [[ -n $$option ]]; then
      _asrkit_values "$$key $$option"
    elif [[ $$cur == -* ]]; then
      _asrkit_options "$$key"
      kind=(-o)
    else
      _asrkit_values "$$key"
    fi
    list+=("$${(@)found}")
  done
  if (($$#list)) && _describe $$kind asrkit list; then
    return
  fi
  _files
}

if [[ $$funcstack[1] == _asrkit ]]; then
  _asrkit "$$@"
else
  compdef _asrkit asrkit
fi
"""

FISH = r"""# Completion of asrkit $version for fish; asrkit completion fish writes it.

function __asrkit_options
    switch "$$argv[1]"
$options
    end
end

function __asrkit_values
    switch "$$argv[1]"
$values
    end
end

function __asrkit
    set -l before (commandline -opc)[2..]
    set -l line (commandline -op)[2..]
    set -l cur (commandline -ct)
    if test "$$before[1]" = help
        set -e before[1]
        set -e line[1]
    end
    set -l depth 1
    if contains -- "$$line[1]" $groups
        set depth 2
    end
    set -l option
    set -l prefix ''
    set -l keys (string join ' ' -- $$before | string collect --allow-empty)
    if test (count $$before) -ge $$depth
        set keys (string join ' ' -- $$before[1..$$depth])
        set -l prev $$before[-1]
        if string match -q -- '--*=*' $$cur
            set option (string split -m 1 = -- $$cur)[1]
            set prefix $$option=
            set cur (string split -m 1 = -- $$cur)[2]
        else if string match -q -- '--*' $$prev; and not string match -q -- '*=*' $$prev
            and not string match -q -- '-*' $$cur
            set option $$prev
        end
        for i in (seq (math $$depth + 1) (count $$line))
            switch $$line[$$i]
                case '--*=*'
                    set -a keys "$$keys[1] $$line[$$i]"
                case '--*'
                    set -a keys "$$keys[1] $$line[$$i]="$$line[(math $$i + 1)]
            end
        end
    end
    set -l found
    for key in $$keys
        if test -n "$$option"
            set -a found (__asrkit_values "$$key $$option")
        else if string match -q -- '-*' $$cur
            set -a found (__asrkit_options $$key)
        else
            set -a found (__asrkit_values $$key)
        end
    end
    set -l matching (string match -- "$$cur*" $$found)
    if test (count $$matching) -eq 0
        set matching (__fish_complete_path $$cur)
    end
    if test (count $$matching) -gt 0
        printf '%s\n' $$prefix$$matching
    end
end

complete -c asrkit -f -a '(__asrkit)'
"""

SHELLS = {
    "bash": (BASH, _words, _cases),
    "zsh": (ZSH, _zsh_items, _cases),
    "fish": (FISH, _fish_items, _fish_cases),
}
