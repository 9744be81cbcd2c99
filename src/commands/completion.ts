// f2b completion bash|zsh|fish: made from the declarations; jails and banned addresses are asked of the daemon as one types.

import { type Command, commands, exits } from "./index.ts";
import { globalOptions } from "./parse.ts";

export const completion: Command = {
  name: "completion",
  summary: "completion for bash, zsh or fish",
  usage: ["f2b completion bash|zsh|fish"],
  options: [],
  completes: [["bash", "zsh", "fish"]],
  help: `
  bash   f2b completion bash > /etc/bash_completion.d/f2b
  zsh    f2b completion zsh > "\${fpath[1]}/_f2b"
  fish   f2b completion fish > ~/.config/fish/completions/f2b.fish`,
  async run(call) {
    const [shell, kind, ...typed] = call.words;
    if (shell === "words") {
      // What the scripts call back: candidates for the word after those typed.
      for (const word of await candidates(kind ?? "", typed, call.socket)) call.out(`${word}\n`);
      return exits.fine;
    }
    const script = shell === "bash" ? bash : shell === "zsh" ? zsh : shell === "fish" ? fish : undefined;
    if (script === undefined) {
      call.err("f2b: for which shell?\n  f2b completion bash|zsh|fish\n");
      return exits.usage;
    }
    call.out(script);
    return exits.fine;
  },
};

/** Candidates after `f2b NAME typed…`; "" as name: the commands. */
async function candidates(
  name: string,
  typed: readonly string[],
  socket: string | undefined,
): Promise<readonly string[]> {
  if (name === "") return [...Object.keys(commands), "help"];
  if (name === "help") return Object.keys(commands);
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) return [];
  const command = await entry.load();
  const options = [...command.options, ...globalOptions].map((option) => `--${option.name}`);
  const places = command.completes ?? [];
  const place = places[Math.min(typed.length, places.length - 1)];
  if (place === undefined || place === "file" || place === "service") return options;
  if (typeof place !== "string") return [...place, ...options];
  const path = socket ?? "/run/f2b/f2b.sock";
  try {
    if (place === "jail") {
      const report = (await (await fetch("http://f2b/status", { unix: path })).json()) as {
        jails: { name: string }[];
      };
      return [...report.jails.map((jail) => jail.name), ...options];
    }
    const answer = await fetch("http://f2b/banned", { unix: path, method: "POST", body: "{}" });
    return [
      ...((await answer.json()) as { bans: { target: string }[] }).bans
        .slice(0, 500)
        .map((ban) => ban.target),
      ...options,
    ];
  } catch {
    return options; // no daemon: nothing to offer but the options
  }
}

const bash = `# bash completion for f2b
_f2b() {
  local current="\${COMP_WORDS[COMP_CWORD]}"
  local IFS=$'\\n'
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "$(f2b completion words "" 2>/dev/null)" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$(f2b completion words "\${COMP_WORDS[1]}" "\${COMP_WORDS[@]:2:COMP_CWORD-2}" 2>/dev/null)" -- "$current"))
    [ "\${#COMPREPLY[@]}" -eq 0 ] && COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _f2b f2b
`;

const zsh = `#compdef f2b
_f2b() {
  local -a found
  if (( CURRENT == 2 )); then
    found=("\${(@f)$(f2b completion words "" 2>/dev/null)}")
  else
    found=("\${(@f)$(f2b completion words "\${words[2]}" "\${(@)words[3,CURRENT-1]}" 2>/dev/null)}")
  fi
  (( \${#found} )) && compadd -a found || _files
}
_f2b "$@"
`;

const fish = `# fish completion for f2b
function __f2b_words
  set -l typed (commandline -opc)
  if test (count $typed) -le 1
    f2b completion words "" 2>/dev/null
  else
    f2b completion words $typed[2] $typed[3..-1] 2>/dev/null
  end
end
complete -c f2b -f -a "(__f2b_words)"
`;
