// A meetopia-relay of a test's own and people who talk to it with the stock clients.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep, within } from "./echo.mjs";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const program = join(root, process.env.BUILD ?? "build", "meetopia-relay");

/** Nothing of the caller's environment may be taken for an option. */
export const environment = { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS };

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/**
 * Starts a server on free ports and waits until it says where it is.
 * @param {string[]} options
 * @param {{env?: object, cwd?: string, wrap?: string[]}} how `wrap`: a command that runs it
 */
export async function startRelay(options = [], { env = {}, cwd, wrap = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "meetopia-test-"));
  const words = [...wrap, program, "--port=0", "--listening-port=0", ...options];
  const child = spawn(words[0], words.slice(1), {
    cwd: cwd ?? folder,
    env: { ...environment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  running.add(child);
  const exited = once(child, "exit").then(([code, signal]) => {
    running.delete(child);
    return code ?? signal;
  });
  const announced = new Promise((resolve, reject) => {
    const read = (chunk) => {
      said += chunk;
      if (/media\s+UDP \d+/.test(said)) resolve();
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    exited.then((status) => reject(new Error(`the server ended with ${status}: ${said}`)));
  });
  await within(10000, announced, "the server did not start");
  const port = Number(/:(\d+)\s/.exec(said)[1]);
  const address = `127.0.0.1:${port}`;

  const relay = {
    port,
    udpPort: Number(/UDP (\d+)/.exec(said)[1]),
    pid: child.pid,
    address,
    http: `http://${address}`,
    ws: `ws://${address}`,
    exited,
    folder,
    said: () => said,
    kill: (signal) => child.kill(signal),
    /** The sum of a counter or gauge of /metrics over its labels, or with exactly those given. */
    async metric(name, labels) {
      const text = await (await fetch(`${relay.http}/metrics`)).text();
      const wanted = labels ? [`${name}{${labels}} `] : [`${name} `, `${name}{`];
      return text
        .split("\n")
        .filter((line) => wanted.some((start) => line.startsWith(start)))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    refused: (code) => relay.metric("meetopia_refused_total", `code="${code}"`),
    /** Waits until the condition holds; fails with its text. */
    async until(condition, what, ms = 5000) {
      const end = Date.now() + ms;
      while (!(await condition())) {
        if (Date.now() > end) throw new Error(`in vain: ${what}`);
        await sleep(10);
      }
    },
    /** SIGTERM; fails unless it ends well. */
    async stop() {
      child.kill("SIGTERM");
      const status = await within(15000, exited, "the server did not end");
      await rm(folder, { recursive: true, force: true });
      if (status !== 0) throw new Error(`the server ended with ${status}: ${said}`);
    },
  };
  return relay;
}

/** Runs the server to its end: what it says and its exit status. */
export async function runRelay(options, { env = {}, cwd, wrap = [] } = {}) {
  const words = [...wrap, program, ...options];
  const child = spawn(words[0], words.slice(1), { cwd, env: { ...environment, ...env } });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (out += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk) => (err += chunk));
  const ended = once(child, "close");
  const [code, signal] = await within(10000, ended, "it did not end").catch((error) => {
    child.kill("SIGKILL");
    throw new Error(`${error.message}: ${out}${err}`);
  });
  return { status: code ?? signal, out, err };
}

/** Somebody with a stock client, who remembers what was heard until it is asked for. */
export class Person {
  constructor(io, relay, options = {}) {
    this.heard = [];
    this.waiting = [];
    this.socket = io(relay.http, {
      forceNew: true,
      reconnection: false,
      transports: ["websocket"],
      ...options,
    });
    // Client 2.x has no onAny; both hand every event to `onevent`.
    const onevent = this.socket.onevent.bind(this.socket);
    this.socket.onevent = (packet) => {
      const [event, payload] = packet.data;
      this.hear(event, payload);
      onevent(packet);
    };
    this.gone = new Promise((resolve) => this.socket.on("disconnect", resolve));
  }

  static async enter(io, relay, options) {
    const person = new Person(io, relay, options);
    person.session = await person.next("session");
    return person;
  }

  hear(event, payload) {
    const at = this.waiting.findIndex((one) => one.event === event);
    if (at < 0) this.heard.push({ event, payload });
    else this.waiting.splice(at, 1)[0].resolve(payload);
  }

  /** The next payload of the event, also one that came before. */
  next(event, ms = 3000) {
    const at = this.heard.findIndex((one) => one.event === event);
    if (at >= 0) return Promise.resolve(this.heard.splice(at, 1)[0].payload);
    const arrived = new Promise((resolve) => this.waiting.push({ event, resolve }));
    return within(ms, arrived, `no ${event} came`);
  }

  /** Was it heard and not asked for? */
  has(event) {
    return this.heard.some((one) => one.event === event);
  }

  forget() {
    this.heard = [];
  }

  say(event, ...args) {
    this.socket.emit(event, ...args);
  }

  ask(event, ...args) {
    const answered = new Promise((resolve) => this.socket.emit(event, ...args, resolve));
    return within(3000, answered, `${event} was not acknowledged`);
  }

  leave() {
    this.socket.close();
  }
}

/** An offer as Chromium makes it; nobody is there to check its candidates. */
export async function chromiumOffer() {
  return {
    type: "offer",
    sdp: await readFile(join(root, "tests/relay/data/chromium_audio_video_data.sdp"), "utf8"),
  };
}
