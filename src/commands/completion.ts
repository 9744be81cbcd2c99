// f2b completion bash|zsh|fish: made from the declarations; jails and banned addresses are asked of the daemon as one types. The scripts
// only pass on what stands before the cursor and pick what begins like it: a candidate is never expanded by the shell, because what is
// banned may carry a stranger's text.

import { type Command, type Completes, commands, exits } from "./index.ts";
import { globalOptions } from "./parse.ts";

export const completion: Command = {
  name: "completion",
  summary: "completion for bash, zsh or fish",
  usage: ["f2b completion bash|zsh|fish"],
  options: [],
  completes: [["bash", "zsh", "fish"], []],
  help: `
  bash   f2b completion bash > /etc/bash_completion.d/f2b
  zsh    f2b completion zsh > "\${fpath[1]}/_f2b"
  fish   f2b completion fish > ~/.config/fish/completions/f2b.fish`,
  async run(call) {
    const [shell, ...typed] = call.words;
    if (shell === "words") {
      // What the scripts call back: candidates for the word after those typed.
      for (const word of await candidates(typed, call.socket)) call.out(`${word}\n`);
      return exits.fine;
    }
    const script = shell === "bash" ? bash : shell === "zsh" ? zsh : shell === "fish" ? fish : undefined;
    if (script === undefined || typed.length > 0) {
      call.err("f2b: for which shell?\n  f2b completion bash|zsh|fish\n");
      return exits.usage;
    }
    call.out(script);
    return exits.fine;
  },
};

/** The line by which the scripts know that names of files fit as well. No candidate has a blank. */
const files = "files here";

/** Candidates after `f2b typed…`. */
async function candidates(typed: readonly string[], socket: string | undefined): Promise<readonly string[]> {
  const wantsValue = (word: string, options: Command["options"]) =>
    [...options, ...globalOptions].find(
      (one) => one.value !== undefined && (word === `--${one.name}` || word === `-${one.short}`),
    );
  let at = 0;
  while (typed[at]?.startsWith("-") === true) at += wantsValue(typed[at] ?? "", []) === undefined ? 1 : 2;
  const name = typed[at];
  if (name === undefined) return at > typed.length ? [files] : [...Object.keys(commands), "help"];
  if (name === "help") return typed.length > at + 1 ? [] : Object.keys(commands);
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) return [];
  const command = await entry.load();
  let words = 0;
  for (let i = at + 1; i < typed.length; i++) {
    const option = wantsValue(typed[i] ?? "", command.options);
    if (option === undefined) words += typed[i]?.startsWith("-") === true ? 0 : 1;
    else if (i === typed.length - 1) return offered(valueKind(option.value), socket);
    else i++;
  }
  const own = new Set(command.options.map((option) => option.name));
  const options = [...command.options, ...globalOptions.filter((one) => !own.has(one.name))].map(
    (option) => `--${option.name}`,
  );
  const places = command.completes ?? [];
  return [...(await offered(places[Math.min(words, places.length - 1)] ?? [], socket)), ...options];
}

const valueKind = (value: string | undefined): Completes =>
  value === "JAIL" ? "jail" : value === "FILE" || value === "DIR" || value === "LOG" ? "file" : [];

async function offered(what: Completes, socket: string | undefined): Promise<readonly string[]> {
  if (typeof what !== "string") return what;
  if (what === "file") return [files];
  if (what === "setting") return (await import("../config/settings.ts")).settableKeys;
  if (what === "key")
    return [...new Set((await import("../config/reference.ts")).reference().map((one) => one.key))];
  const unix = socket ?? "/run/f2b/f2b.sock";
  try {
    if (what === "jail") {
      const answer = await fetch("http://f2b/status", { unix });
      return ((await answer.json()) as { jails: { name: string }[] }).jails.map((jail) => jail.name);
    }
    const answer = await fetch("http://f2b/banned", { unix, method: "POST", body: "{}" });
    const { bans } = (await answer.json()) as { bans: { target: string }[] };
    // Other targets than addresses are a stranger's text.
    return [
      ...new Set(bans.map((ban) => ban.target).filter((target) => /^[0-9a-f.:/]+$/.test(target))),
    ].slice(0, 500);
  } catch {
    return []; // no daemon: nothing to offer but the options
  }
}

// Bash would split words at the colons of an address; so the line is split here, and what stands before the last colon is not repeated.
const bash = `# bash completion for f2b
_f2b() {
  local line="\${COMP_LINE:0:COMP_POINT}" current="" one
  local -a typed
  read -ra typed <<< "$line"
  if [[ "$line" != *[[:space:]] ]]; then
    current="\${typed[\${#typed[@]}-1]}"
    unset "typed[\${#typed[@]}-1]"
  fi
  local before=""
  [[ "$COMP_WORDBREAKS" == *:* && "$current" == *:* ]] && before="\${current%"\${current##*:}"}"
  COMPREPLY=()
  while IFS= read -r one; do
    if [ "$one" = "${files}" ]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r one; do COMPREPLY+=("$one"); done < <(compgen -f -- "$current")
    elif [[ "$one" == "$current"* ]]; then
      COMPREPLY+=("\${one#"$before"}")
    fi
  done < <(f2b completion words -- "\${typed[@]:1}" 2>/dev/null)
}
complete -F _f2b f2b
`;

const zsh = `#compdef f2b
_f2b() {
  local -a found
  found=("\${(@f)$(f2b completion words -- "\${(@)words[2,CURRENT-1]}" 2>/dev/null)}")
  (( \${found[(Ie)${files}]} )) && _files
  found=("\${(@)found:#${files}}")
  compadd -- "\${(@)found:#}"
}
if [ "$funcstack[1]" = "_f2b" ]; then _f2b "$@"; else compdef _f2b f2b; fi
`;

const fish = `# fish completion for f2b
function __f2b_words
  set -l typed (commandline -opc)
  for one in (f2b completion words -- $typed[2..-1] 2>/dev/null)
    if test "$one" = "${files}"
      __fish_complete_path (commandline -ct)
    else
      printf '%s\\n' $one
    end
  end
end
complete -c f2b -f -a "(__f2b_words)"
`;
