// What a change of a text does, line by line, as diff -u shows it. PURE.

/** Changed lines with "-" and "+" and up to `context` lines around them; "" when both are equal. */
export function diff(before: string, after: string, context = 2): string {
  const a = lines(before);
  const b = lines(after);
  const marked = edits(a, b);
  const near = new Set<number>();
  marked.forEach(({ mark }, i) => {
    if (mark !== " ") for (let n = i - context; n <= i + context; n++) near.add(n);
  });
  const out: string[] = [];
  let gap = false;
  marked.forEach(({ mark, line }, i) => {
    if (!near.has(i)) gap = true;
    else {
      if (gap) out.push("  …");
      gap = false;
      out.push(`${mark} ${line}`.trimEnd());
    }
  });
  return out.join("\n");
}

const lines = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

interface Edit {
  readonly mark: " " | "-" | "+";
  readonly line: string;
}

/** By the longest common subsequence of what is left between the equal beginning and the equal end. */
function edits(a: readonly string[], b: readonly string[]): Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const left = a.slice(head, a.length - tail);
  const right = b.slice(head, b.length - tail);
  const same = (list: readonly string[]): Edit[] => list.map((line) => ({ mark: " ", line }));
  return [...same(a.slice(0, head)), ...between(left, right), ...same(a.slice(a.length - tail))];
}

function between(a: readonly string[], b: readonly string[]): Edit[] {
  const width = b.length + 1;
  // A configuration has some thousand lines at most; beyond that everything is shown as replaced.
  if ((a.length + 1) * width > 25_000_000)
    return [
      ...a.map((line) => ({ mark: "-", line }) as const),
      ...b.map((line) => ({ mark: "+", line }) as const),
    ];
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
  const out: Edit[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ mark: " ", line: a[i++]! });
      j++;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!))
      out.push({ mark: "-", line: a[i++]! });
    else out.push({ mark: "+", line: b[j++]! });
  }
  return out;
}
