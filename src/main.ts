// argv → command → exit code; the only process.exit.

import { commands } from "./commands/index.ts";
import { main } from "./commands/main.ts";

// No top-level await: compiled to bytecode, a module is a plain function.
void main(process.argv.slice(2), commands).then((code) => process.exit(code));
