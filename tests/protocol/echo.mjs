// What the protocol tests share: a socketio_echo of their own on a free port, and small words for
// what every test does with it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = `${root}${process.env.BUILD ?? "build"}/tests/tools/socketio_echo`;

/** Is this a build with AddressSanitizer? It keeps freed memory for a while and walls in the rest:
 * how much it takes says nothing about the server. */
export const sanitized = readFileSync(program).includes("__asan_init");
/** By this much are the bounds on its answers longer. */
export const slowness = sanitized ? 3 : 1;

const children = new Set();
const wires = new Set();

/**
 * Starts the server, with its ping interval and timeout in ms as texts; `stop` ends it and fails
 * unless it ends well.
 */
export async function startEcho(...heartbeat) {
  const child = spawn(program, ["0", ...heartbeat], { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  const port = Number(/:(\d+)\s/.exec(line)[1]);
  const exited = once(child, "exit");
  return {
    port,
    pid: child.pid,
    http: `http://127.0.0.1:${port}`,
    ws: `ws://127.0.0.1:${port}`,
    exited,
    terminate: () => child.kill("SIGTERM"),
    async stop() {
      child.kill("SIGTERM");
      const [code, signal] = await exited;
      if (code !== 0) throw new Error(`socketio_echo ended with ${code ?? signal}`);
    },
  };
}

/** Ends what tests that failed left behind, so that the run ends too. */
export function killEchoes() {
  for (const wire of wires) wire.socket.terminate();
  for (const child of children) child.kill("SIGKILL");
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fails with `what` unless the promise is settled in time. */
export function within(ms, promise, what = "waited in vain") {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A WebSocket that keeps what it receives until somebody asks. */
export class Wire {
  constructor(url, options) {
    this.socket = new WebSocket(url, options);
    wires.add(this);
    this.received = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => this.socket.on("close", resolve));
    this.opened = new Promise((resolve) => this.socket.on("open", resolve));
    this.socket.on("error", () => {}); // a refused handshake: `close` follows
    this.socket.on("message", (data, binary) => {
      const message = binary ? data : data.toString();
      if (this.waiting.length > 0) this.waiting.shift()(message);
      else this.received.push(message);
    });
  }

  send(message) {
    this.socket.send(message);
  }

  /** The next message. */
  next(ms = 2000) {
    if (this.received.length > 0) return Promise.resolve(this.received.shift());
    return within(ms, new Promise((resolve) => this.waiting.push(resolve)), "no message came");
  }

  /** The next message that is no ping; pings are answered. */
  async nextPacket() {
    for (;;) {
      const message = await this.next();
      if (message !== "2") return message;
      this.send("3");
    }
  }

  close() {
    this.socket.close();
    return this.closed;
  }
}
