// The wizard: detect (look.ts: looks, reads only) → propose (propose.ts, pure) → ask (wizard.ts through a Terminal) → text (text.ts, pure).
// Nothing here writes: the command does what was decided, and leaving at any question leaves nothing behind.

export { cancelled, type Terminal, wantsPlain } from "./ask.ts";
export { clackTerminal } from "./clack.ts";
export { diff } from "./diff.ts";
export type * from "./facts.ts";
export { look } from "./look.ts";
export { linesOf, plainTerminal } from "./plain.ts";
export { nothingPresent, type Present, type Proposal, propose, unprotected } from "./propose.ts";
export { addedText, type Choices, freshText } from "./text.ts";
export {
  type Base,
  converse,
  type Lent,
  lookForGuests,
  type Outcome,
  type Preview,
  type TakenOver,
} from "./wizard.ts";
