// What fail2ban-client's words are here: fingers remember for years. Only hints; nothing of it is carried out.

type Words = readonly string[];

/** `set JAIL …`; the rest is what follows its word. addignoreip, dellogpath and the like work as they are. */
const setting: Readonly<Record<string, (jail: string, rest: string) => string>> = {
  banip: (jail, rest) => `f2b ban ${jail} ${rest}`,
  unbanip: (jail, rest) => `f2b unban ${rest.replace(/^--report-absent /, "")} --jail ${jail}`,
  idle: (jail, rest) => (rest === "off" ? `f2b start ${jail}` : `f2b stop ${jail}`),
  attempt: (jail, rest) =>
    `f2b regex 'LINE' ${jail} tries a line; f2b ban ${jail} ${rest.split(" ")[0]} bans`,
  addaction: (jail) => `write banaction or notify of [jails.${jail}], then f2b reload`,
  delaction: (jail) => `write banaction or notify of [jails.${jail}], then f2b reload`,
  action: (jail) => `write banaction or notify of [jails.${jail}], then f2b reload`,
};

const getting: Readonly<Record<string, (jail: string) => string>> = {
  banip: (jail) => `f2b status ${jail} --all`,
  banned: (jail) => `f2b status ${jail} --all, or f2b banned IP`,
  actions: (jail) => `f2b get ${jail} banaction, f2b get ${jail} notify`,
  actionproperties: (jail) => `f2b config show ${jail}`,
  actionmethods: (jail) => `f2b config show ${jail}`,
  action: (jail) => `f2b config show ${jail}`,
};

const ofDaemon = ["logtarget", "syslogsocket", "dbfile", "dbmaxmatches", "dbpurgeage", "allowipv6"];

const commands: Readonly<Record<string, string>> = {
  statistic: "f2b stats",
  statistics: "f2b stats",
  add: "write [jails.NAME] with enabled = true, then f2b reload",
  echo: "f2b ping",
  "server-status": "f2b ping",
  client: "f2b COMMAND, without fail2ban-client in front",
  "-t": "f2b config check",
  "--test": "f2b config check",
  "-d": "f2b config show",
  "--dp": "f2b config show",
  "--dump-pretty": "f2b config show",
};

/** Which daemon is meant is said alike in both; wherever it stands, it is none of the words. */
function withoutPlaces(argv: Words): Words {
  const places = /^(?:-[cs]|--(?:config|socket|conf))$/;
  return argv.filter(
    (word, i) => !places.test(word) && !places.test(argv[i - 1] ?? "") && !/^--(?:config|socket)=/.test(word),
  );
}

/** What to type instead; undefined: fail2ban has no such words either. */
export function fromFail2ban(argv: Words): string | undefined {
  const [command = "", ...words] = withoutPlaces(argv).filter((word) => word !== "--json");
  if (Object.hasOwn(commands, command)) return commands[command];
  if (command !== "set" && command !== "get") return undefined;
  const [first = "", word = "", ...rest] = words;
  if (first === "loglevel") return `f2b ${command} daemon ${words.join(" ")}`;
  if (ofDaemon.includes(first))
    return command === "get" ? "f2b config show" : `write ${first} in [daemon], then restart the daemon`;
  if (command === "set" && Object.hasOwn(setting, word)) return setting[word]?.(first, rest.join(" "));
  return command === "get" && Object.hasOwn(getting, word) ? getting[word]?.(first) : undefined;
}
