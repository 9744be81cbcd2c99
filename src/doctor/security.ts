// Who may change what root obeys, and who may read what is secret. Modes and owners only; `--fix` mends them.

import { visible } from "../core/text.ts";
import type { Id } from "./catalogue.ts";
import type { Facts, FileRole, GuardedFile } from "./facts.ts";
import { finding } from "./finding.ts";
import type { Finding, Mend } from "./index.ts";

const ids: Readonly<Partial<Record<FileRole, Id>>> = {
  configuration: "F2B601",
  state: "F2B602",
  jails: "F2B603",
  program: "F2B604",
  ignorelist: "F2B608",
  f2b: "F2B610",
};

export function checkSecurity({ files, config }: Facts): Finding[] {
  return files.flatMap((file): Finding[] => {
    if (file.role === "secret") {
      const others = (file.mode & 0o004) !== 0;
      return others
        ? [
            finding("F2B605", `everybody may read ${file.path}, which holds ${file.of}`, {
              fix: `chmod 600 ${file.path}`,
              mend: { kind: "mode", path: file.path, mode: file.mode & ~0o007 },
            }),
          ]
        : [];
    }
    if (file.role === "socket") {
      const wanted = config.daemon.socketgroup === undefined ? 0o600 : 0o660;
      if ((file.mode & 0o777 & ~wanted) === 0 && file.uid === 0) return [];
      return [
        finding(
          "F2B606",
          `the socket ${file.path} has mode ${(file.mode & 0o777).toString(8)} and belongs to user ${file.uid}`,
          { mend: { kind: "mode", path: file.path, mode: file.mode & wanted } },
        ),
      ];
    }
    const id = ids[file.role];
    const wrong = id === undefined ? undefined : whoWrites(file);
    return id === undefined || wrong === undefined
      ? []
      : [
          finding(id, `${visible(file.path)} (${file.of}) ${wrong.what}`, {
            fix: wrong.fix,
            mend: ours(file) ? wrong.mend : undefined,
          }),
        ];
  });
}

/** Directories of the system on the way to a file are for people to mend. */
const ours = (file: GuardedFile): boolean =>
  !file.of.startsWith("on the way") || /\/f2b(?:\/|$)/.test(file.path);

interface Wrong {
  readonly what: string;
  readonly fix: string;
  readonly mend: Mend;
}

/** Who else than root may write it; undefined: nobody. Directories with the sticky bit let nobody replace another's files. */
function whoWrites(file: GuardedFile): Wrong | undefined {
  const { path, mode } = file;
  const narrow = (away: number): Mend => ({ kind: "mode", path, mode: mode & ~away });
  if (file.uid !== 0)
    return { what: `belongs to user ${file.uid}`, fix: `chown root ${path}`, mend: { kind: "owner", path } };
  const sticky = file.kind === "directory" && (file.mode & 0o1000) !== 0;
  if (sticky) return undefined;
  if ((file.mode & 0o002) !== 0)
    return { what: "can be written by everybody", fix: `chmod go-w ${path}`, mend: narrow(0o022) };
  if ((file.mode & 0o020) !== 0 && file.gid !== 0)
    return { what: `can be written by group ${file.gid}`, fix: `chmod go-w ${path}`, mend: narrow(0o022) };
  // The journal says who tried to log in, and under which names.
  if (file.role === "state" && (file.mode & 0o007) !== 0)
    return { what: "can be read by everybody", fix: `chmod o-rwx ${path}`, mend: narrow(0o007) };
  return undefined;
}
