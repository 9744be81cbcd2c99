// Statistics as something to read: text for terminals and mail, HTML that needs nothing but itself (inline SVG, no script, light and
// dark). Pure: the same numbers give the same bytes.

import type { JailRow, Stats } from "./stats.ts";
import { escapeHtml, plural, table, visibleLine } from "./text.ts";

export interface Report {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export function report(stats: Stats): Report {
  return { subject: subjectOf(stats), text: `${textOf(stats)}\n`, html: htmlOf(stats) };
}

const blocks = "▁▂▃▄▅▆▇█";

/** One bar a number, scaled to the highest; all zero is a flat line. */
export function sparkline(numbers: readonly number[]): string {
  const most = Math.max(...numbers, 1);
  return numbers.map((n) => (n <= 0 ? blocks[0] : blocks[Math.max(1, Math.ceil((n / most) * 7))])).join("");
}

/** 1234567 → "1,234,567". */
const grouped = (n: number): string => String(n).replace(/\B(?=(?:\d{3})+$)/g, ",");

const minute = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;

function subjectOf(stats: Stats): string {
  const broken = stats.jails.filter((jail) => jail.state === "broken").length;
  const parts = [
    `${grouped(stats.period.bans)} ${stats.period.bans === 1 ? "ban" : "bans"}`,
    `${grouped(stats.total.banned.now)} banned now`,
    ...(broken > 0 ? [`${plural(broken, "jail")} broken`] : []),
  ];
  return visibleLine(`[f2b] ${stats.host}: ${parts.join(", ")} since ${stats.since.slice(0, 10)}`, 200);
}

// ------------------------------------------------------------------------------------------------------------------ text

const jailHead = ["Jail", "Failed", "total", "Banned", "total", "today", "7 days"];

const jailCells = (name: string, row: Omit<JailRow, "name" | "state" | "reason">): string[] => [
  name,
  grouped(row.failed.now),
  grouped(row.failed.total),
  grouped(row.banned.now),
  grouped(row.banned.total),
  grouped(row.banned.today),
  grouped(row.banned.week),
];

/** The table of jails alone; `width` cuts its lines. */
export function jailTable(stats: Stats, width?: number): string {
  const packets = stats.total.packets !== undefined;
  const more = (row: Omit<JailRow, "name" | "state" | "reason">): string[] => [
    ...(packets ? [row.packets === undefined ? "-" : grouped(row.packets)] : []),
    sparkline(row.spark),
  ];
  const rows = [
    [...jailHead, ...(packets ? ["Dropped"] : []), "14 days"],
    ...stats.jails.map((jail) => [
      ...jailCells(jail.state === "running" ? jail.name : `${jail.name} (${jail.state})`, jail),
      ...more(jail),
    ]),
    ...(stats.jails.length > 1 ? [[...jailCells("all", stats.total), ...more(stats.total)]] : []),
  ];
  return table(rows, {
    right: [1, 2, 3, 4, 5, 6, 7].slice(0, packets ? 7 : 6),
    ...(width === undefined ? {} : { width }),
  });
}

export function textOf(stats: Stats, width?: number): string {
  const parts = [
    `${visibleLine(stats.host, 120)}, ${minute(stats.since)} to ${minute(stats.at)}`,
    `${plural(stats.period.bans, "ban")} of ${plural(stats.period.targets, "address")}; banned now: ${grouped(stats.total.banned.now)}`,
    "",
    jailTable(stats, width),
    "",
    `Bans, last 24 hours  ${sparkline(stats.hours)}  ${grouped(stats.hours.reduce((a, b) => a + b, 0))}`,
    `Bans, last 30 days   ${sparkline(stats.days.map(([, , bans]) => bans))}  ${grouped(stats.days.reduce((a, [, , bans]) => a + bans, 0))}`,
    `Failures, 30 days    ${sparkline(stats.days.map(([, failed]) => failed))}  ${grouped(stats.days.reduce((a, [, failed]) => a + failed, 0))}`,
  ];
  const list = (title: string, rows: readonly (readonly string[])[], right: readonly number[]): void => {
    if (rows.length === 0) return;
    const lines = table(rows, { right, ...(width === undefined ? {} : { width: width - 2 }) });
    parts.push("", title, ...lines.split("\n").map((line) => `  ${line}`));
  };
  list(
    "Addresses banned most",
    stats.addresses.map((one) => [
      one.target,
      grouped(one.bans),
      one.country ?? "",
      `${plural(one.failures, "failure")}, last ${minute(one.last)}`,
      one.jails.join(", "),
    ]),
    [1],
  );
  list(
    "Networks with several offenders",
    stats.networks.map((one) => [one.network, grouped(one.bans), plural(one.addresses, "address")]),
    [1],
  );
  list(
    "Users tried most",
    stats.users.map((one) => [one.user, grouped(one.bans)]),
    [1],
  );
  list(
    "Countries",
    stats.countries.map((one) => [one.country, grouped(one.bans)]),
    [1],
  );
  const broken = stats.jails.filter((jail) => jail.state === "broken");
  if (broken.length > 0)
    parts.push(
      "",
      "Broken",
      ...broken.map((jail) => `  ${jail.name}: ${visibleLine(jail.reason ?? "no reason known", 300)}`),
    );
  return parts.join("\n");
}

// ------------------------------------------------------------------------------------------------------------------ HTML

const style = `:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5a6472;--line:#e2e6ea;--page:#fff;--bans:#2b6cb0;--fails:#7b8794;--bad:#b42318;--badpage:#fdf1f0}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--soft:#98a2b0;--line:#2c333c;--page:#14181d;--bans:#63a4e0;--fails:#8a96a5;--bad:#ff8a80;--badpage:#2a1a1a}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:960px;margin:0 auto;padding:28px 20px 40px}h1{font-size:22px;line-height:1.25;margin:0 0 2px;overflow-wrap:anywhere}h2{font-size:15px;margin:32px 0 8px}
.when{color:var(--soft);margin:0 0 20px}.figures{display:flex;flex-wrap:wrap;gap:12px 40px;margin:0;padding:0;list-style:none}
.figures b{display:block;font-size:28px;line-height:1.15;font-weight:600;font-variant-numeric:tabular-nums}.figures span{color:var(--soft);font-size:13px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{font-weight:500;color:var(--soft);font-size:13px;text-align:left;vertical-align:bottom;white-space:nowrap}
th,td{padding:5px 0 5px 16px;border-bottom:1px solid var(--line)}th:first-child,td:first-child{padding-left:0}td{vertical-align:top}
.n{text-align:right;white-space:nowrap}.a{font:13px/1.6 ui-monospace,SFMono-Regular,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}.soft{color:var(--soft)}tr.sum td{font-weight:600;border-bottom:0}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:0 48px}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:8px 32px;margin-top:28px}
figure{margin:0;max-width:380px}figcaption{font-size:13px;color:var(--soft);margin-bottom:4px}figcaption b{color:var(--ink);font-weight:600}svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font:11px system-ui,"DejaVu Sans",sans-serif}.bans{fill:var(--bans)}.fails{fill:var(--fails)}.axis{stroke:var(--line)}svg.spark{width:98px;height:20px;margin-left:auto}
.bad{background:var(--badpage);border-left:3px solid var(--bad);padding:10px 14px;margin:20px 0 0}.bad b{color:var(--bad)}footer{margin-top:36px;color:var(--soft);font-size:13px}`;

const cell = (text: string, kind = ""): string =>
  `<td${kind === "" ? "" : ` class="${kind}"`}>${escapeHtml(text)}</td>`;
const heads = (names: readonly string[], right: readonly number[]): string =>
  `<tr>${names.map((name, i) => `<th${right.includes(i) ? ' class="n"' : ""}>${escapeHtml(name)}</th>`).join("")}</tr>`;

function htmlOf(stats: Stats): string {
  const host = escapeHtml(visibleLine(stats.host, 120));
  const figures: readonly (readonly [string, string])[] = [
    [grouped(stats.period.bans), "bans in this period"],
    [grouped(stats.period.targets), "addresses and networks"],
    [grouped(stats.total.banned.now), "banned now"],
    [grouped(stats.total.failed.today), "failures today"],
    ...(stats.total.packets === undefined
      ? []
      : [[grouped(stats.total.packets), "packets dropped"] as const]),
  ];
  const broken = stats.jails.filter((jail) => jail.state === "broken");
  const days = stats.days.map(([day]) => day.slice(5));
  const now = Number(stats.at.slice(11, 13));
  const hours = stats.hours.map((_, i) => `${String((now + 1 + i) % 24).padStart(2, "0")}h`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><title>${escapeHtml(subjectOf(stats))}</title><style>${style}</style></head>
<body><main>
<h1>${host}</h1>
<p class="when">${minute(stats.since)} to ${minute(stats.at)}</p>
<ul class="figures">${figures.map(([n, what]) => `<li><b>${n}</b><span>${what}</span></li>`).join("")}</ul>
${broken.map((jail) => `<p class="bad"><b>${escapeHtml(jail.name)} is broken.</b> ${escapeHtml(visibleLine(jail.reason ?? "", 300))}</p>`).join("\n")}
<div class="plots">
${plot(
  "Bans a day",
  "bans",
  stats.days.map(([, , bans]) => bans),
  days,
)}
${plot(
  "Failures a day",
  "fails",
  stats.days.map(([, failed]) => failed),
  days,
)}
${plot("Bans an hour, last 24 hours", "bans", stats.hours, hours)}
</div>
<h2>Jails</h2>
${jailsHtml(stats)}
${addressesHtml(stats)}
<div class="two">
${listHtml(
  "Networks with several offenders",
  ["network", "bans", "addresses"],
  stats.networks.map((one) => [one.network, grouped(one.bans), grouped(one.addresses)]),
)}
${listHtml(
  "Users tried most",
  ["user", "bans"],
  stats.users.map((one) => [one.user, grouped(one.bans)]),
)}
${listHtml(
  "Countries",
  ["country", "bans"],
  stats.countries.map((one) => [one.country, grouped(one.bans)]),
)}
</div>
<footer>f2b ${escapeHtml(stats.version)}. Days and times are UTC.</footer>
</main></body></html>
`;
}

function jailsHtml(stats: Stats): string {
  const packets = stats.total.packets !== undefined;
  const names = [
    "jail",
    "failed now",
    "total",
    "banned now",
    "total",
    "today",
    "7 days",
    ...(packets ? ["dropped"] : []),
    "14 days",
  ];
  const row = (
    name: string,
    state: string,
    jail: Omit<JailRow, "name" | "state" | "reason">,
    sum: boolean,
  ): string => {
    const numbers = [
      jail.failed.now,
      jail.failed.total,
      jail.banned.now,
      jail.banned.total,
      jail.banned.today,
      jail.banned.week,
    ];
    const label = `<td>${escapeHtml(name)}${state === "running" ? "" : ` <span class="soft">${escapeHtml(state)}</span>`}</td>`;
    const dropped = packets ? cell(jail.packets === undefined ? "–" : grouped(jail.packets), "n") : "";
    return `<tr${sum ? ' class="sum"' : ""}>${label}${numbers.map((n) => cell(grouped(n), "n")).join("")}${dropped}<td class="n">${spark(jail.spark)}</td></tr>`;
  };
  const rows = stats.jails.map((jail) => row(jail.name, jail.state, jail, false));
  if (stats.jails.length > 1) rows.push(row("all", "running", stats.total, true));
  return `<div class="wide"><table>${heads(names, names.map((_, i) => i).slice(1))}${rows.join("\n")}</table></div>`;
}

function addressesHtml(stats: Stats): string {
  if (stats.addresses.length === 0) return "";
  const countries = stats.addresses.some((one) => one.country !== undefined);
  const names = ["address", "bans", "failures", ...(countries ? ["country"] : []), "last ban", "jails"];
  const rows = stats.addresses.map(
    (one) =>
      `<tr>${cell(one.target, "a")}${cell(grouped(one.bans), "n")}${cell(grouped(one.failures), "n")}${
        countries ? cell(one.country ?? "") : ""
      }${cell(minute(one.last).slice(0, 16), "soft")}${cell(one.jails.join(", "))}</tr>`,
  );
  return `<h2>Addresses banned most</h2><div class="wide"><table>${heads(names, [1, 2])}${rows.join("\n")}</table></div>`;
}

function listHtml(title: string, names: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const body = rows
    .map((row) => `<tr>${row.map((text, i) => cell(text, i === 0 ? "a" : "n")).join("")}</tr>`)
    .join("\n");
  return `<section><h2>${escapeHtml(title)}</h2><table>${heads(names, names.map((_, i) => i).slice(1))}${body}</table></section>`;
}

/** Rounds up to a number one can read, for the end of the axis. */
function ceiling(most: number): number {
  if (most <= 5) return Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= most) ?? most;
}

function plot(
  title: string,
  kind: "bans" | "fails",
  numbers: readonly number[],
  labels: readonly string[],
): string {
  const width = 300;
  const height = 112;
  const left = 34;
  const bottom = 16;
  const roof = 8;
  const most = ceiling(Math.max(...numbers, 0));
  const step = (width - left) / numbers.length;
  const floor = height - bottom;
  const scale = (floor - roof) / most;
  const round = (n: number): string => String(Math.round(n * 10) / 10);
  const bars = numbers.map((n, i) => {
    if (n <= 0) return "";
    const tall = Math.max(1.5, n * scale);
    return `<rect class="${kind}" x="${round(left + i * step + 0.75)}" y="${round(floor - tall)}" width="${round(step - 1.5)}" height="${round(tall)}" rx="1"><title>${escapeHtml(labels[i] ?? "")}: ${grouped(n)}</title></rect>`;
  });
  const ticks = [0, Math.floor(numbers.length / 2), numbers.length - 1].map(
    (i, n) =>
      `<text x="${round(n === 0 ? left : n === 2 ? width : left + (i + 0.5) * step)}" y="${height - 3}" text-anchor="${["start", "middle", "end"][n]}">${escapeHtml(labels[i] ?? "")}</text>`,
  );
  const sum = numbers.reduce((a, b) => a + b, 0);
  return `<figure><figcaption><b>${escapeHtml(title)}</b> · ${grouped(sum)} in all</figcaption><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(`${title}: ${numbers.join(", ")}`)}"><line class="axis" x1="${left}" x2="${width}" y1="${roof}" y2="${roof}"/><line class="axis" x1="${left}" x2="${width}" y1="${floor}" y2="${floor}"/><text x="${left - 5}" y="${roof + 4}" text-anchor="end">${compact(most)}</text><text x="${left - 5}" y="${floor + 3}" text-anchor="end">0</text>${bars.join("")}${ticks.join("")}</svg></figure>`;
}

/** 1500 → "1.5k". */
const compact = (n: number): string =>
  n >= 1_000_000 ? `${n / 1_000_000}M` : n >= 1000 ? `${n / 1000}k` : String(n);

function spark(numbers: readonly number[]): string {
  const most = Math.max(...numbers, 1);
  const bars = numbers.map((n, i) => {
    const tall = n <= 0 ? 1 : Math.max(2, Math.round((n / most) * 20));
    return `<rect class="${n <= 0 ? "fails" : "bans"}"${n <= 0 ? ' opacity=".35"' : ""} x="${i * 7}" y="${20 - tall}" width="5" height="${tall}"/>`;
  });
  return `<svg class="spark" viewBox="0 0 98 20" role="img" aria-label="${numbers.join(", ")}">${bars.join("")}</svg>`;
}
