// Engine.IO, revisions 4 and 3, as it looks on the wire.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { Wire, killEchoes, sleep, startEcho, within } from "./echo.mjs";

const PING_INTERVAL = 300;
const PING_TIMEOUT = 800; // long enough for a machine that is busy with other things

let echo;
before(async () => {
  echo = await startEcho(String(PING_INTERVAL), String(PING_TIMEOUT));
});
after(async () => {
  await echo.stop();
  killEchoes();
});

const url = (query) => `${echo.http}/engine.io/?${query}`;
const wsUrl = (query) => `${echo.ws}/engine.io/?${query}`;
const get = (query, init) => fetch(url(query), init);
const post = (query, body, headers) => fetch(url(query), { method: "POST", body, headers });

/** Opens a polling session; gives the query that names it. */
async function poll(eio = 4, more = "") {
  const text = await (await get(`EIO=${eio}&transport=polling${more}`)).text();
  const { sid } = JSON.parse(text.slice(text.indexOf("{")));
  return `EIO=${eio}&transport=polling${more}&sid=${sid}`;
}
const asWebSocket = (query) => query.replace("polling", "websocket");

async function expectError(response, code, message) {
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), { code, message });
}

/** The session is gone: its id is unknown. */
async function expectGone(query) {
  await expectError(await get(query), 1, "Session ID unknown");
}

// --- handshake

test("polling: opens a session", async () => {
  const response = await get("EIO=4&transport=polling");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; charset=UTF-8");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const text = await response.text();
  assert.equal(text[0], "0");
  const { sid, ...rest } = JSON.parse(text.slice(1));
  assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
  assert.deepEqual(rest, {
    upgrades: ["websocket"],
    pingInterval: PING_INTERVAL,
    pingTimeout: PING_TIMEOUT,
    maxPayload: 1000000,
  });
});

test("WebSocket: opens a session", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
  const text = await wire.next();
  assert.equal(text[0], "0");
  const open = JSON.parse(text.slice(1));
  assert.deepEqual(open.upgrades, []);
  assert.equal(open.pingInterval, PING_INTERVAL);
  await wire.close();
});

test("errors are the reference server's", async () => {
  const version = [5, "Unsupported protocol version"];
  const transport = [0, "Transport unknown"];
  const method = [2, "Bad handshake method"];
  const request = [3, "Bad request"];
  const unknown = [1, "Session ID unknown"];
  const table = [
    ["transport=polling", "GET", version],
    ["EIO=abc&transport=polling", "GET", version],
    ["EIO=2&transport=polling", "GET", version],
    ["EIO=40&transport=polling", "GET", version],
    ["EIO=4", "GET", transport],
    ["EIO=4&transport=abc", "GET", transport],
    ["EIO=4&transport=constructor", "GET", transport],
    ["EIO=4&transport=polling", "POST", method],
    ["EIO=4&transport=polling", "PUT", method],
    ["EIO=4&transport=polling", "DELETE", method],
    ["EIO=4&transport=websocket", "GET", request],
    ["EIO=4&transport=polling&sid=nobody", "GET", unknown],
    ["EIO=4&transport=polling&sid=", "POST", unknown],
    ["EIO=3&transport=polling&j=0", "GET", [3, "JSONP is not supported"]],
  ];
  for (const [query, verb, error] of table) {
    await expectError(await get(query, { method: verb }), ...error);
  }
});

test("WebSocket: a bad handshake is refused", async () => {
  const bad = [
    "transport=websocket",
    "EIO=abc&transport=websocket",
    "EIO=4",
    "EIO=4&transport=abc",
    "EIO=4&transport=polling",
    "EIO=4&transport=websocket&sid=nobody",
  ];
  for (const query of bad) {
    assert.equal(await new Wire(wsUrl(query)).closed, 1006);
  }
});

test("CORS: the origin is echoed, also with an error", async () => {
  const headers = { Origin: "https://app.example.org" };
  for (const query of ["EIO=4&transport=polling", "EIO=4&transport=abc"]) {
    const response = await get(query, { headers });
    assert.equal(response.headers.get("access-control-allow-origin"), headers.Origin);
    assert.equal(response.headers.get("access-control-allow-credentials"), "true");
  }
  const preflight = await get("EIO=4&transport=polling", {
    method: "OPTIONS",
    headers: { ...headers, "Access-Control-Request-Method": "POST" },
  });
  assert.ok(preflight.ok);
  assert.match(preflight.headers.get("access-control-allow-methods"), /POST/);
});

// --- messages

test("polling: echoes one packet", async () => {
  const session = await poll();
  const answer = await post(session, "4hello");
  assert.equal(await answer.text(), "ok");
  assert.equal(await (await get(session)).text(), "4hello");
});

test("polling: echoes several packets, text and binary", async () => {
  const session = await poll();
  const payload = "4test1\x1e4test2\x1ebAQIDBA==\x1e4€😀";
  assert.equal((await post(session, payload)).status, 200);
  assert.equal(await (await get(session)).text(), payload);
});

test("polling: a poll waits for a message", async () => {
  const session = await poll();
  const waiting = get(session);
  await sleep(20);
  await post(session, "4late");
  assert.equal(await (await waiting).text(), "4late");
});

test("polling: a malformed payload closes the session", async () => {
  for (const body of ["abc", "4a\x1e", "bA*==", "7", new Uint8Array([0x34, 0xff])]) {
    const session = await poll();
    assert.equal((await post(session, body)).status, 400);
    await expectGone(session);
  }
});

test("polling: a second poll at once closes the session", async () => {
  const session = await poll();
  const first = get(session);
  await sleep(10);
  const second = await get(`${session}&t=burst`);
  assert.equal(await (await first).text(), "1");
  assert.equal(second.status, 400);
  await expectGone(session);
});

test("polling: a poll that is given up closes the session", async () => {
  const session = await poll();
  const request = http.get(url(session));
  request.on("error", () => {});
  await sleep(20);
  request.destroy();
  await sleep(20);
  await expectGone(session);
});

test("polling: a body over maxPayload is refused", async () => {
  const session = await poll();
  const response = await post(session, `4${"x".repeat(1000000)}`);
  assert.equal(response.status, 413);
});

test("polling: a body of exactly maxPayload comes back", async () => {
  const session = await poll();
  const body = `4${"x".repeat(999999)}`;
  assert.equal((await post(session, body)).status, 200);
  assert.equal(await (await get(session)).text(), body);
});

test("WebSocket: echoes text and binary", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
  await wire.next();
  wire.send("4hello");
  assert.equal(await wire.next(), "4hello");
  wire.send(Uint8Array.from([1, 2, 3, 4]));
  assert.deepEqual([...(await wire.next())], [1, 2, 3, 4]);
  wire.send("bAQIDBA==");
  assert.deepEqual([...(await wire.next())], [1, 2, 3, 4]);
  await wire.close();
});

test("WebSocket: a malformed packet closes the session", async () => {
  for (const packet of ["abc", "", "2", "5", "0{}", "b*"]) {
    const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
    await wire.next();
    wire.send(packet);
    await within(1000, wire.closed, `"${packet}" did not close`);
  }
});

test("WebSocket: a message over maxPayload is refused with 1009", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
  await wire.next();
  wire.send(`4${"x".repeat(1000000)}`);
  assert.equal(await wire.closed, 1009);
});

test("b64=1 gets binary as text, on WebSocket too", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket&b64=1"));
  await wire.next();
  wire.send("bAQIDBA==");
  assert.equal(await wire.next(), "bAQIDBA==");
  await wire.close();
});

// --- heartbeat

test("polling: pings, and a pong keeps the session", async () => {
  const session = await poll();
  for (let i = 0; i < 3; i++) {
    assert.equal(await (await get(session)).text(), "2");
    assert.equal((await post(session, "3")).status, 200);
  }
});

test("polling: no pong in time closes the session", async () => {
  const session = await poll();
  await sleep(PING_INTERVAL + PING_TIMEOUT + 100);
  await expectGone(session);
});

test("the published suites' server: pings after 300 ms, waits 200 ms", async () => {
  const server = await startEcho();
  const response = await fetch(`${server.http}/engine.io/?EIO=4&transport=polling`);
  const { pingInterval, pingTimeout } = JSON.parse((await response.text()).slice(1));
  assert.deepEqual([pingInterval, pingTimeout], [300, 200]);
  await server.stop();
});

test("WebSocket: pings, and a pong keeps the session", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
  await wire.next();
  for (let i = 0; i < 3; i++) {
    assert.equal(await wire.next(), "2");
    wire.send("3");
  }
  await wire.close();
});

test("WebSocket: no pong in time closes the session", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
  await wire.next();
  const begin = Date.now();
  await within(3000, wire.closed);
  const took = Date.now() - begin;
  assert.ok(took >= PING_INTERVAL + PING_TIMEOUT - 20, `closed after ${took} ms`);
});

// --- close

test("polling: a client says close", async () => {
  const session = await poll();
  const waiting = get(session);
  await sleep(10);
  assert.equal(await (await post(session, "1")).text(), "ok");
  assert.equal(await (await waiting).text(), "6");
  await expectGone(session);
});

test("WebSocket: a client says close", async () => {
  const wire = new Wire(wsUrl("EIO=4&transport=websocket"));
  await wire.next();
  wire.send("1");
  await within(1000, wire.closed);
});

// --- upgrade

/** A polling session and a WebSocket that has probed it. */
async function probed(eio = 4) {
  const session = await poll(eio);
  const wire = new Wire(wsUrl(asWebSocket(session)));
  await wire.opened;
  wire.send("2probe");
  assert.equal(await wire.next(), "3probe");
  return { session, wire };
}

test("upgrade: polls are ended, then the WebSocket carries the session", async () => {
  const session = await poll();
  const waiting = get(session);
  const wire = new Wire(wsUrl(asWebSocket(session)));
  await wire.opened;
  wire.send("2probe");
  assert.equal(await wire.next(), "3probe");
  assert.equal(await (await waiting).text(), "6");
  assert.equal(await (await get(session)).text(), "6");
  wire.send("5");
  wire.send("4hello");
  assert.equal(await wire.next(), "4hello");
  await wire.close();
});

test("upgrade: what was posted meanwhile arrives in order", async () => {
  const { session, wire } = await probed();
  await post(session, "4one\x1e4two");
  wire.send("5");
  wire.send("4three");
  assert.equal(await wire.next(), "4one");
  assert.equal(await wire.next(), "4two");
  assert.equal(await wire.next(), "4three");
  await wire.close();
});

test("upgrade: polls and WebSockets with the same sid are refused, the session goes on", async () => {
  const { session, wire } = await probed();
  wire.send("5");
  await sleep(10);
  await expectError(await get(session), 3, "Bad request");
  await expectError(await post(session, "4a"), 3, "Bad request");
  const second = new Wire(wsUrl(asWebSocket(session)));
  await second.opened;
  assert.equal(await second.closed, 1008);
  wire.send("4hello");
  assert.equal(await wire.next(), "4hello");
  await wire.close();
});

test("upgrade: a second probe beside the first is closed at once", async () => {
  const session = await poll();
  const wire = new Wire(wsUrl(asWebSocket(session)));
  await wire.opened;
  const second = new Wire(wsUrl(asWebSocket(session)));
  await second.opened;
  assert.equal(await second.closed, 1008);
  wire.send("2probe");
  assert.equal(await wire.next(), "3probe");
  await wire.close();
});

test("upgrade: a probe that fails leaves the session polling", async () => {
  const session = await poll();
  const wire = new Wire(wsUrl(asWebSocket(session)));
  await wire.opened;
  wire.send("5");
  await within(1000, wire.closed);
  await post(session, "4still here");
  assert.equal(await (await get(session)).text(), "4still here");
});

// --- revision 3

/** The one packet of a text payload. */
function unpack(text) {
  const colon = text.indexOf(":");
  assert.equal(Number(text.slice(0, colon)), text.length - colon - 1);
  return text.slice(colon + 1);
}

test("revision 3, polling: opens a session", async () => {
  const packet = unpack(await (await get("EIO=3&transport=polling")).text());
  assert.equal(packet[0], "0");
  assert.deepEqual(JSON.parse(packet.slice(1)).upgrades, ["websocket"]);
});

test("revision 3, polling: lengths, base64, UTF-16", async () => {
  const session = await poll(3, "&b64=1");
  const payload = "6:4hello10:b4AQIDBA==4:4€😀";
  assert.equal(await (await post(session, payload)).text(), "ok");
  assert.equal(await (await get(session)).text(), payload);
});

test("revision 3, polling: binary payloads both ways", async () => {
  const session = await poll(3);
  const octets = [0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4];
  const headers = { "Content-Type": "application/octet-stream" };
  assert.equal((await post(session, Uint8Array.from(octets), headers)).status, 200);
  const response = await get(session);
  assert.equal(response.headers.get("content-type"), "application/octet-stream");
  assert.deepEqual([...new Uint8Array(await response.arrayBuffer())], octets);
});

test("revision 3, polling: a malformed payload closes the session", async () => {
  for (const body of ["abc", "1", "9:4a", "1:3"]) {
    const session = await poll(3);
    assert.equal((await post(session, body)).status, 400);
    await expectGone(session);
  }
});

test("revision 3: the client pings", async () => {
  const session = await poll(3);
  for (let i = 0; i < 3; i++) {
    await post(session, "1:2");
    assert.equal(await (await get(session)).text(), "1:3");
    await sleep(200);
  }
  await sleep(PING_INTERVAL + PING_TIMEOUT);
  await expectGone(session);
});

test("revision 3, WebSocket: text, binary, heartbeat, timeout", async () => {
  const wire = new Wire(wsUrl("EIO=3&transport=websocket"));
  assert.equal((await wire.next())[0], "0");
  wire.send("4hello");
  assert.equal(await wire.next(), "4hello");
  wire.send(Uint8Array.from([4, 1, 2, 3]));
  assert.deepEqual([...(await wire.next())], [4, 1, 2, 3]);
  wire.send("2");
  assert.equal(await wire.next(), "3");
  await within(3000, wire.closed);
});

test("revision 3: errors are those of revision 4", async () => {
  await expectError(await get("EIO=3"), 0, "Transport unknown");
  await expectError(await get("EIO=3&transport=abc"), 0, "Transport unknown");
  await expectError(await post("EIO=3&transport=polling"), 2, "Bad handshake method");
  assert.equal(await new Wire(wsUrl("EIO=3")).closed, 1006);
  assert.equal(await new Wire(wsUrl("EIO=3&transport=abc")).closed, 1006);
});

test("revision 3, WebSocket: a malformed packet closes the session", async () => {
  const wire = new Wire(wsUrl("EIO=3&transport=websocket"));
  await wire.next();
  wire.send("abc");
  await within(1000, wire.closed);
});

test("revision 3, polling: a second poll at once closes the session", async () => {
  const session = await poll(3);
  const first = get(session);
  await sleep(10);
  const second = await get(`${session}&t=burst`);
  assert.equal(await (await first).text(), "1:1");
  assert.equal(second.status, 400);
  await expectGone(session);
});

test("revision 3, polling: a client says close", async () => {
  const session = await poll(3);
  const waiting = get(session);
  await sleep(10);
  assert.equal(await (await post(session, "1:1")).text(), "ok");
  assert.equal(await (await waiting).text(), "1:6");
  await expectGone(session);
});

test("revision 3: polls and WebSockets with the same sid are refused after the upgrade", async () => {
  const { session, wire } = await probed(3);
  wire.send("5");
  await sleep(10);
  await expectError(await get(session), 3, "Bad request");
  const second = new Wire(wsUrl(asWebSocket(session)));
  await second.opened;
  assert.equal(await second.closed, 1008);
  wire.send("4hello");
  assert.equal(await wire.next(), "4hello");
  await wire.close();
});

test("revision 3: upgrade and close", async () => {
  const { session, wire } = await probed(3);
  assert.equal(await (await get(session)).text(), "1:6");
  wire.send("5");
  wire.send("4hello");
  assert.equal(await wire.next(), "4hello");
  wire.send("1");
  await within(1000, wire.closed);
});
