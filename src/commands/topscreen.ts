// What `f2b top` shows, as pure text: a screen of exactly so many rows and columns from what is known at the moment.

import { displayWidth, visible } from "../core/text.ts";
import type { DaemonEvent } from "../daemon/events.ts";
import type { StatusReport } from "../daemon/report.ts";

export interface TopView {
  readonly status: StatusReport | undefined;
  /** Newest last. */
  readonly events: readonly DaemonEvent[];
  /** Failures and bans in each of the last seconds, newest last. */
  readonly rates: readonly { readonly failures: number; readonly bans: number }[];
  /** Index of the selected event, counted from the newest. */
  readonly selected: number;
  /** One line under everything: what the last key did, or a question. */
  readonly message: string;
  readonly now: number;
}

const bars = "▁▂▃▄▅▆▇█";

/** Values as bars, the highest one full; nothing but blanks when all are zero. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0);
  return values
    .map((value) => (value === 0 ? " " : (bars[Math.min(7, Math.ceil((value / most) * 8) - 1)] ?? " ")))
    .join("");
}

/** Cut or filled to exactly `width` columns. */
export function fit(text: string, width: number): string {
  if (displayWidth(text) <= width) return text + " ".repeat(width - displayWidth(text));
  let cut = "";
  for (const char of text) {
    if (displayWidth(cut + char) > width - 1) break;
    cut += char;
  }
  return `${cut}…${" ".repeat(width - displayWidth(cut) - 1)}`;
}

const bold = (text: string, colour: boolean): string => (colour ? `\x1b[1m${text}\x1b[0m` : text);
const inverse = (text: string, colour: boolean): string => (colour ? `\x1b[7m${text}\x1b[0m` : text);

/** `rows` lines of `columns` columns each. Wide terminals show more events, not longer lines of nothing. */
export function screen(view: TopView, rows: number, columns: number, colour: boolean): string[] {
  const { status } = view;
  const lines: string[] = [];
  const add = (text: string, mark?: (text: string, colour: boolean) => string): void => {
    const whole = fit(text, columns);
    lines.push(mark === undefined ? whole : mark(whole, colour));
  };
  if (status === undefined) {
    add("f2b top: waiting for the daemon …");
  } else {
    const banned = status.jails.reduce((sum, jail) => sum + jail.banned.now, 0);
    add(
      `f2b ${status.version}  ${status.jails.length} jails  ${banned} banned  firewall ${status.firewall}${status.dryrun === undefined ? "" : "  DRY RUN"}`,
      bold,
    );
    const width = Math.max(10, Math.min(60, columns - 40));
    const recent = view.rates.slice(-width);
    const perMinute = (key: "failures" | "bans"): number =>
      view.rates.slice(-60).reduce((sum, rate) => sum + rate[key], 0);
    add(
      `failures ${String(perMinute("failures")).padStart(7)}/min  ${sparkline(recent.map((rate) => rate.failures))}`,
    );
    add(
      `bans     ${String(perMinute("bans")).padStart(7)}/min  ${sparkline(recent.map((rate) => rate.bans))}`,
    );
    const troubles = [...(status.degraded === undefined ? [] : [status.degraded]), ...status.problems];
    for (const trouble of troubles.slice(0, 2)) add(`! ${visible(trouble)}`, bold);
    add("");
    add(
      `${"JAIL".padEnd(22)}${"STATE".padEnd(9)}${"FAILED".padStart(8)}${"TOTAL".padStart(10)}${"BANNED".padStart(8)}${"TOTAL".padStart(9)}`,
      bold,
    );
    const room = Math.max(3, Math.floor((rows - lines.length - 4) / 2));
    const jails = [...status.jails].sort(
      (a, b) => b.banned.now - a.banned.now || b.failed.now - a.failed.now || a.name.localeCompare(b.name),
    );
    for (const jail of jails.slice(0, room)) {
      add(
        `${fit(jail.name, 21)} ${jail.state.padEnd(9)}${String(jail.failed.now).padStart(8)}${String(jail.failed.total).padStart(10)}${String(jail.banned.now).padStart(8)}${String(jail.banned.total).padStart(9)}${jail.campaign === undefined ? "" : "  campaign"}`,
      );
    }
    if (jails.length > room) add(`… ${jails.length - room} more`);
  }
  add("");
  add("RECENT", bold);
  const space = Math.max(0, rows - lines.length - 2);
  const shown = view.events.slice(-space).reverse();
  shown.forEach((event, i) => {
    const age = Math.max(0, Math.round((view.now - Date.parse(event.at)) / 1000));
    const text = `${String(age).padStart(5)}s  ${event.kind.padEnd(11)} ${visible(event.text)}`;
    add(text, i === view.selected ? inverse : undefined);
  });
  lines.splice(rows - 2);
  while (lines.length < rows - 2) add("");
  add(visible(view.message));
  add("q quit   ↑↓ select   b ban   u unban   e explain   p pause", inverse);
  return lines;
}
