// Datagrams to unix sockets and the credentials of a unix peer: what neither Bun nor node:net offers. Functions of libc are
// called directly; where it cannot be loaded everything here says so by returning undefined or false and nothing breaks.

import { ptr } from "bun:ffi";
import { constants } from "node:os";
import { errno, libc as loadLibc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL_DONTWAIT = 0x4000 | 0x40;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** sun_path of sockaddr_un. */
const LONGEST_PATH = 107;

export interface Datagram {
  /** False when nobody received it: no such socket, its queue is full, the message is too long. */
  send(message: string | Uint8Array): boolean;
  close(): void;
}

/** For sockets such as /dev/log or $NOTIFY_SOCKET; a leading "@" means the abstract namespace. Each message finds the receiver anew. */
export function openDatagram(path: string): Datagram | undefined {
  const libc = loadLibc();
  const address = socketAddress(path);
  if (libc === undefined || address === undefined) return undefined;
  let fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return undefined;
  return {
    send(message) {
      const data = typeof message === "string" ? Buffer.from(message) : message;
      if (fd < 0 || data.length === 0) return false;
      const sent = libc.sendto(
        fd,
        ptr(data),
        data.length,
        MSG_NOSIGNAL_DONTWAIT,
        ptr(address),
        address.length,
      );
      return Number(sent) === data.length;
    },
    close() {
      if (fd >= 0) libc.close(fd);
      fd = -1;
    },
  };
}

/**
 * Holds a name of the abstract namespace ("@name"), which belongs to the network namespace and is given back when the process ends.
 * Nobody can connect: it costs nothing to hold. Gives the function that lets go; "taken" where another has it; undefined where it cannot be had.
 */
export function holdName(name: string): (() => void) | "taken" | undefined {
  const libc = loadLibc();
  const address = socketAddress(name);
  if (libc === undefined || address === undefined) return undefined;
  const fd = libc.socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) return undefined;
  if (libc.bind(fd, ptr(address), address.length) === 0) return () => void libc.close(fd);
  const taken = errno(libc) === constants.errno.EADDRINUSE;
  libc.close(fd);
  return taken ? "taken" : undefined;
}

/** The user on the other side of a connected unix socket, as the kernel says; undefined where it cannot be asked. */
export function peerUid(fd: number): number | undefined {
  const libc = loadLibc();
  if (libc === undefined || fd < 0) return undefined;
  const credentials = new Int32Array(3);
  const length = new Uint32Array([credentials.byteLength]);
  if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ptr(credentials), ptr(length)) !== 0) return undefined;
  const [pid, uid] = credentials;
  // A socket without a peer answers success and pid 0.
  return pid === 0 || uid === undefined ? undefined : uid >>> 0;
}

function socketAddress(path: string): Uint8Array | undefined {
  const name = Buffer.from(path);
  if (name.length === 0 || name.length > LONGEST_PATH) return undefined;
  const abstract = path.startsWith("@");
  if (abstract) name[0] = 0;
  const address = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  return address;
}
