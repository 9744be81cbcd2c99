// Tables whose members are made when they are first looked at: most runs use one firewall, no messenger and a handful of settings,
// and building the schemas of all the others would cost each start some thirty milliseconds and as many megabytes.

type Loaders = Readonly<Record<string, () => unknown>>;
export type Made<All extends Loaders> = { readonly [Key in keyof All]: ReturnType<All[Key]> };

/** An object with the keys of `loaders`; a member is made once, at its first look. Keys can be listed without making any. */
export function lazily<All extends Loaders>(loaders: All): Made<All> {
  const members = {};
  for (const [name, load] of Object.entries(loaders)) {
    let made = false;
    let member: unknown;
    Object.defineProperty(members, name, {
      enumerable: true,
      configurable: true,
      get() {
        if (!made) member = load();
        made = true;
        return member;
      },
    });
  }
  return members as Made<All>;
}

/** Both tables as one, without making a member of either. */
export function joined<A extends object, B extends object>(first: A, second: B): A & B {
  return Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(first),
      ...Object.getOwnPropertyDescriptors(second),
    },
  ) as A & B;
}

/** A function that makes its value at the first call. */
export function once<T>(make: () => T): () => T {
  const only = lazily({ value: make });
  return () => only.value;
}
