// Writes small files in MaxMind's DB format 2.0 (maxmind.github.io/MaxMind-DB), so that reading them is tested without anybody's data.

import { addressBytes, parseAddress } from "../../src/core/address.ts";

type Value = string | number | readonly Value[] | { readonly [key: string]: Value };

function encode(value: Value): number[] {
  const control = (type: number, size: number): number[] => {
    const extra = size < 29 ? [] : size < 285 ? [size - 29] : [(size - 285) >> 8, (size - 285) & 255];
    const low = size < 29 ? size : size < 285 ? 29 : 30;
    return type > 7 ? [low, type - 7, ...extra] : [(type << 5) | low, ...extra];
  };
  if (typeof value === "string") {
    const bytes = [...Buffer.from(value)];
    return [...control(2, bytes.length), ...bytes];
  }
  if (typeof value === "number") {
    const bytes = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
    return [...control(6, 4), ...bytes];
  }
  if (Array.isArray(value))
    return [...control(11, value.length), ...(value as readonly Value[]).flatMap(encode)];
  const entries = Object.entries(value as { readonly [key: string]: Value });
  return [
    ...control(7, entries.length),
    ...entries.flatMap(([key, inner]) => [...encode(key), ...encode(inner)]),
  ];
}

/** An IPv6 tree of 24-bit records; IPv4 networks lie under ::/96. */
export function mmdb(networks: readonly (readonly [string, Value])[]): Uint8Array {
  const nodes: (number | undefined | { data: number })[][] = [[undefined, undefined]];
  const data: number[] = [];
  for (const [network, value] of networks) {
    const [text, length] = network.split("/");
    const bytes = [...addressBytes(parseAddress(text!)!)];
    const bits = [...(bytes.length === 4 ? new Array<number>(12).fill(0) : []), ...bytes].flatMap((byte) =>
      [7, 6, 5, 4, 3, 2, 1, 0].map((i) => (byte >> i) & 1),
    );
    const depth = Number(length) + (bytes.length === 4 ? 96 : 0);
    let at = 0;
    for (let i = 0; i < depth - 1; i++) {
      const next = nodes[at]![bits[i]!];
      if (typeof next === "number") at = next;
      else {
        nodes.push([undefined, undefined]);
        nodes[at]![bits[i]!] = nodes.length - 1;
        at = nodes.length - 1;
      }
    }
    nodes[at]![bits[depth - 1]!] = { data: data.length };
    data.push(...encode(value));
  }
  const tree = nodes.flatMap((pair) =>
    pair.flatMap((child) => {
      const n =
        child === undefined
          ? nodes.length
          : typeof child === "number"
            ? child
            : nodes.length + 16 + child.data;
      return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
    }),
  );
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: "Test",
    description: { en: "test" },
    ip_version: 6,
    languages: ["en"],
    node_count: nodes.length,
    record_size: 24,
  });
  return Uint8Array.from([
    ...tree,
    ...new Array<number>(16).fill(0),
    ...data,
    0xab,
    0xcd,
    0xef,
    ...Buffer.from("MaxMind.com"),
    ...metadata,
  ]);
}
