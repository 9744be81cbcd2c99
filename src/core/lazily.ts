// A registry whose members are loaded when they are first looked at: most runs use one firewall and no messenger, and building the
// schemas of thirty others would cost each start some thirty milliseconds and as many megabytes.

/** An object with the keys of `loaders`; a member is loaded once, at its first look. Keys can be listed without loading any. */
export function lazily<Member>(
  loaders: Readonly<Record<string, () => Member>>,
): Readonly<Record<string, Member>> {
  const members: Record<string, Member> = {};
  for (const [name, load] of Object.entries(loaders)) {
    Object.defineProperty(members, name, {
      enumerable: true,
      configurable: true,
      get() {
        const member = load();
        Object.defineProperty(members, name, { enumerable: true, value: member });
        return member;
      },
    });
  }
  return members;
}
