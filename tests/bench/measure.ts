// Measuring: many short runs, medians and percentiles, CPU seconds of a process. Machines are shared and noisy: compare ratios.

import { readFileSync } from "node:fs";

export const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

export function percentile(values: readonly number[], p: number): number {
  const list = sorted(values);
  return list[Math.min(list.length - 1, Math.floor((p / 100) * list.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 50);

/** User and system CPU seconds of a process and of its children that were waited for (proc(5), stat). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0);
  return ticks / 100;
}

/** Resident set in MB (proc(5), status). */
export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kb) / 1024;
}

export interface Result {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** "median of 50" and the like. */
  readonly how: string;
  /** The aim of the issue, as text, and whether it was met. */
  readonly aim?: string;
  readonly met?: boolean;
}

export const show = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : value.toFixed(2);
