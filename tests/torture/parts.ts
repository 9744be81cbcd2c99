// All parts of the torture, in the order of the promises. A new part is one file and one line here.

import { children } from "./children.ts";
import { clock } from "./clock.ts";
import { crash } from "./crash.ts";
import { flood } from "./flood.ts";
import { fuzz } from "./fuzz.ts";
import { hanging, shell } from "./hanging.ts";
import { memory, soak } from "./memory.ts";
import type { Part } from "./part.ts";
import { planted } from "./planted.ts";
import { privilege } from "./privilege.ts";
import { release } from "./release.ts";
import { socket } from "./socket.ts";

export const parts: readonly Part[] = [
  crash,
  fuzz,
  flood,
  planted,
  socket,
  shell,
  hanging,
  children,
  memory,
  soak,
  clock,
  release,
  privilege,
];
