// The version, put in by build.ts.

declare const F2B_VERSION: string | undefined;
export const version: string = typeof F2B_VERSION === "string" ? F2B_VERSION : "0.0.0-dev";
