// Clients that mean harm, or know no better: the others must not notice.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { Wire, killEchoes, sanitized, sleep, slowness, startEcho, within } from "./echo.mjs";

let echo;
let watcher; // a well-behaved client that must not notice anything
before(async () => {
  echo = await startEcho("2000", "2000");
  watcher = io(echo.http, { transports: ["websocket"], reconnection: false });
  await new Promise((resolve) => watcher.once("auth", resolve));
});
after(async () => {
  const connected = watcher.connected;
  watcher.close();
  await echo.stop();
  killEchoes();
  assert.ok(connected, "the well-behaved client was put out");
});

const socketIo = (query) => `/socket.io/?EIO=4&transport=${query}`;

async function roundTrip() {
  const begin = performance.now();
  const answer = new Promise((resolve) => watcher.emit("message-with-ack", "x", resolve));
  await within(2000, answer, "the well-behaved client waited for 2 s");
  return performance.now() - begin;
}

/** What `watcher` feels while `work` goes on: the 99th percentile of its round trips in ms. */
async function feltDuring(work) {
  const times = [];
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  while (!done) {
    times.push(await roundTrip());
    await sleep(2);
  }
  await finished;
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)];
}

const lastReason = () =>
  new Promise((resolve) => watcher.emit("info", ({ lastReason: reason }) => resolve(reason)));

async function residentKilobytes() {
  const status = await readFile(`/proc/${echo.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]);
}

/** Fails unless the server has taken less than so much since `begin`, in kB, within 2 s. */
async function expectResidentBelow(limit, begin, t) {
  const end = Date.now() + (sanitized ? 0 : 2000);
  let more;
  while ((more = (await residentKilobytes()) - begin) >= limit && Date.now() < end) await sleep(20);
  t.diagnostic(`${more} kB more${sanitized ? ", which a sanitizer build is not judged by" : ""}`);
  assert.ok(sanitized || more < limit, `${more} kB more`);
}

/** In the main namespace on a bare WebSocket. */
async function enter() {
  const wire = new Wire(`${echo.ws}${socketIo("websocket")}`);
  await wire.next();
  wire.send("40");
  await wire.next();
  await wire.next();
  return wire;
}

async function pollingSession() {
  const text = await (await fetch(`${echo.http}${socketIo("polling")}`)).text();
  return `${echo.http}${socketIo("polling")}&sid=${JSON.parse(text.slice(1)).sid}`;
}

test("10 000 events a second: the sender is closed, nobody else notices", async () => {
  const flood = async () => {
    const wire = await enter();
    let closed = false;
    wire.closed.then(() => {
      closed = true;
    });
    for (let tick = 0; tick < 100 && !closed; tick++) {
      for (let i = 0; i < 100; i++) wire.send('42["message","flood"]');
      await sleep(10);
    }
    await within(1000, wire.closed, "the flood went on");
  };
  const felt = await feltDuring(Promise.all([flood(), flood(), flood()]));
  assert.ok(felt < 100 * slowness, `99 % within ${felt} ms`);
  assert.equal(await lastReason(), "flood");
});

test("a flood in one POST is closed", async () => {
  const session = await pollingSession();
  await fetch(session, { method: "POST", body: "40" });
  const body = Array.from({ length: 5000 }, () => '42["x"]').join("\x1e");
  const response = await fetch(session, { method: "POST", body });
  assert.equal(response.status, 400);
  assert.equal((await fetch(session)).status, 400);
});

test("a WebSocket client that stops reading is closed, and costs a bounded amount", async (t) => {
  const before_ = await residentKilobytes();
  const wire = await enter();
  wire.socket._socket.pause();
  const felt = await feltDuring(
    (async () => {
      wire.send('42["burst",50000]'); // 50 MB
      await sleep(500);
    })(),
  );
  assert.ok(felt < 200 * slowness, `99 % within ${felt} ms`);
  assert.equal(await lastReason(), "slow reader");
  await expectResidentBelow(32 * 1024, before_, t);
  wire.socket.terminate();
});

test("a polling client that never polls is closed", async () => {
  const session = await pollingSession();
  await fetch(session, { method: "POST", body: "40" });
  await fetch(session, { method: "POST", body: '42["burst",2000]' });
  await sleep(50);
  assert.equal(await lastReason(), "slow reader");
  assert.deepEqual(await (await fetch(session)).json(), { code: 1, message: "Session ID unknown" });
});

/** Bytes that look random and are the same in every run. */
function noise(seed, length) {
  const bytes = Buffer.alloc(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

test("noise on every transport harms only its sender", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const bytes = noise(seed, 1 + ((seed * 37) % 300));
    const session = await pollingSession();
    assert.equal((await fetch(session, { method: "POST", body: bytes })).status, 400);

    const wire = await enter();
    wire.send(bytes);
    await within(1000, wire.closed);
    const texts = await enter();
    texts.send(bytes.toString("latin1"));
    await within(1000, texts.closed);
  }
  await roundTrip();
});

/** Writes to a bare TCP connection and waits until the server hangs up, or we do. */
function raw(text, ms = 300) {
  return new Promise((resolve) => {
    const socket = net.connect(echo.port, "127.0.0.1", () => socket.write(text));
    socket.on("data", () => {});
    socket.on("error", () => {});
    socket.on("close", resolve);
    setTimeout(() => socket.destroy(), ms);
  });
}

test("clients that vanish in the middle of things", async () => {
  const head = `Host: x\r\nContent-Length: 1000\r\n\r\n`;
  const upgrade =
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const work = [];
  for (let i = 0; i < 50; i++) {
    const session = new URL(await pollingSession());
    const path = session.pathname + session.search;
    work.push(
      raw(`POST ${path} HTTP/1.1\r\n${head}4half a bo`),
      raw(`GET ${path.replace("polling", "websocket")} HTTP/1.1\r\n${upgrade}`),
      raw(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`),
      raw(`GET ${socketIo("websocket")} HTTP/1.1\r\n${upgrade}`),
      raw(`GET ${socketIo("websocket")} HTTP/1.1\r\n${upgrade}\x81\x7f\xff\xff\xff\xff`),
      raw(`GET ${socketIo("polling")} HTTP/1.1\r\nHost`),
    );
  }
  const felt = await feltDuring(Promise.all(work));
  assert.ok(felt < 200 * slowness, `99 % within ${felt} ms`);
});

test("a thousand sessions that nobody keeps are gone after the timeout", async () => {
  for (let i = 0; i < 20; i++) {
    await Promise.all(Array.from({ length: 50 }, pollingSession));
  }
  await sleep(4200);
  const session = await pollingSession();
  assert.equal((await fetch(session, { method: "POST", body: "40" })).status, 200);
  await roundTrip();
});

test("halves of binary events cost what they are, and are given back", async (t) => {
  const begin = await residentKilobytes();
  const wires = await Promise.all(Array.from({ length: 40 }, enter));
  for (const wire of wires) {
    wire.send('453-["message",{"_placeholder":true,"num":0}]');
    wire.send(new Uint8Array(900000));
    wire.send(new Uint8Array(900000));
  }
  await sleep(300); // 72 MB arrive
  await expectResidentBelow(100 * 1024, begin, t);
  wires.forEach((wire) => wire.socket.terminate());
  await roundTrip();
  await expectResidentBelow(24 * 1024, begin, t);
});
