// Names of firewall objects: every jail name (64 characters, dots and dashes allowed) must become a name that nft (31), iptables
// (28) and ipset (31) take, that is never a keyword, and that no two jails share.

/** 32-bit FNV-1a, eight hexadecimal digits: short, and without anything of the platform's. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/**
 * prefix + jail within `max` characters. A jail too long is cut and ends in "_" and a hash of its whole name; one that
 * is short but looks like that is hashed as well. Kinds of objects differ in the prefix only (a suffix could be part of another
 * jail's name), so that no jail can be given the name of another's objects.
 */
export function objectName(prefix: string, jail: string, max: number): string {
  const room = max - prefix.length;
  if (jail.length <= room && !/_[0-9a-f]{8}$/.test(jail)) return `${prefix}${jail}`;
  return `${prefix}${jail.slice(0, room - 9)}_${shortHash(jail)}`;
}
