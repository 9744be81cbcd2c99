// argv → command → exit code; the only process.exit.

import { commands } from "./commands/index.ts";
import { main } from "./commands/main.ts";

process.exit(await main(process.argv.slice(2), commands));
