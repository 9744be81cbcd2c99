// Runs while building (build.ts): every bundled jail file read, judged and its expressions compiled, as one text of JSON a service, so
// that the daemon starts without doing so again. What cannot be made ready here (other parameters) is made when it is needed.

import { type Frozen, freeze } from "../core/frozen.ts";
import { compilePattern } from "../core/pattern.ts";
import { bundledFile, bundledJails, type Prepared } from "./bundled.ts";
import { effectiveFilter, type JailFile, modesOf, parseJailFile } from "./jailfile.ts";

/** By service name. Throws where a jail file is wrong. */
export function prepareJails(): Record<string, string> {
  return Object.fromEntries(
    [...bundledJails()].map(([name, text]) => {
      const file = parseJailFile(name, text, bundledFile(name));
      if (!file.ok) throw new Error(`jails/${name}.toml: ${file.faults[0]?.what}`);
      const { text: _text, file: _file, ...rest } = file.value;
      const multiline = (rest.filter.maxlines ?? 1) > 1;
      const prepared: Prepared = { file: rest, multiline, patterns: patternsOf(file.value, multiline) };
      return [name, JSON.stringify(prepared)];
    }),
  );
}

function patternsOf(file: JailFile, multiline: boolean): readonly Frozen[] {
  const sources = new Set<string>();
  for (const mode of modesOf(file)) {
    const filter = effectiveFilter(file, { mode });
    if (!filter.ok) continue;
    const { prefregex, failregex, ignoreregex } = filter.value;
    for (const source of [...prefregex, ...failregex, ...ignoreregex]) sources.add(source);
  }
  return [...sources].flatMap((source) => {
    const compiled = compilePattern(source, { multiline, proven: true });
    return compiled.ok ? [freeze(compiled.value)] : [];
  });
}
