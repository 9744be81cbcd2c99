// Run before every test file (bunfig.toml). Property tests try the same cases each time, so that a red run is the change's doing;
// F2B_SEED=random looks further, F2B_SEED=<number> repeats what it found.

import fc from "fast-check";

const wanted = process.env.F2B_SEED ?? "20261121";
if (wanted !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });
