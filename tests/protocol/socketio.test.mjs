// Socket.IO, revisions 5 and 4, as it looks on the wire.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Wire, killEchoes, startEcho, within } from "./echo.mjs";

let echo;
before(async () => {
  echo = await startEcho("300", "2000");
});
after(async () => {
  await echo.stop();
  killEchoes();
});

/** An Engine.IO session on WebSocket, its open packet read. */
async function open(eio = 4) {
  const wire = new Wire(`${echo.ws}/socket.io/?EIO=${eio}&transport=websocket`);
  await wire.next();
  return wire;
}

/** The same, in the main namespace, with `auth` read. */
async function enter() {
  const wire = await open();
  wire.send("40");
  await wire.nextPacket();
  await wire.nextPacket();
  return wire;
}

async function expectClosedBy(packet, wire) {
  wire.send(packet);
  await within(900, wire.closed, `${packet} did not close the connection`);
}

test("connect: namespaces, with and without auth", async () => {
  const table = [
    ["40", "40", '42["auth",{}]'],
    ['40{"token":"123"}', "40", '42["auth",{"token":"123"}]'],
    ["40/custom,", "40/custom,", '42/custom,["auth",{}]'],
    ["40/custom", "40/custom,", '42/custom,["auth",{}]'],
    ['40/custom,{"token":"abc"}', "40/custom,", '42/custom,["auth",{"token":"abc"}]'],
  ];
  for (const [packet, prefix, auth] of table) {
    const wire = await open();
    wire.send(packet);
    const answer = await wire.nextPacket();
    assert.ok(answer.startsWith(`${prefix}{`), answer);
    const handshake = JSON.parse(answer.slice(prefix.length));
    assert.deepEqual(Object.keys(handshake), ["sid"]);
    assert.match(handshake.sid, /^[A-Za-z0-9_-]{20}$/);
    assert.equal(await wire.nextPacket(), auth);
    await wire.close();
  }
});

test("connect: an unknown namespace is refused", async () => {
  const wire = await open();
  wire.send("40/random");
  assert.equal(await wire.nextPacket(), '44/random,{"message":"Invalid namespace"}');
  await wire.close();
});

test("connect: who is not authorised is told why", async () => {
  const wire = await open();
  wire.send('40/private,{"word":"please"}');
  const answer = await wire.nextPacket();
  assert.ok(answer.startsWith("44/private,"));
  assert.deepEqual(JSON.parse(answer.slice(11)), {
    message: "credentials are missing or wrong",
    data: { code: "unauthorized" },
  });
  wire.send('40/private,{"word":"sesame"}');
  assert.match(await wire.nextPacket(), /^40\/private,\{"sid":/);
  await wire.close();
});

test("connect: who begins with a malformed packet is closed", async () => {
  for (const packet of ["4abc", "42{}", "40[]"]) {
    await expectClosedBy(packet, await open());
  }
});

test("connect: who never connects is closed", async () => {
  const wire = await open();
  const begin = Date.now();
  wire.socket.on("message", (data) => data.toString() === "2" && wire.send("3"));
  await within(2500, wire.closed);
  assert.ok(Date.now() - begin > 900);
});

test("malformed packets close the connection", async () => {
  const bad = [
    "4abc",
    "4",
    "47",
    "42{}",
    "42[]",
    '42abc["message"]',
    '42["message",',
    '42["disconnect"]',
    '42["connect_error"]',
    '42["a\\u0000b"]',
    `42["message",${"[".repeat(100)}${"]".repeat(100)}]`,
    "40",
    "40[]",
    '41{"a":1}',
    '43["no id"]',
    '44{"message":"x"}',
    '452-["message"]garbage',
    '451-["message",{"_placeholder":true,"num":1}]',
    '4511-["message"]',
  ];
  for (const packet of bad) {
    await expectClosedBy(packet, await enter());
  }
});

test("attachments out of place close the connection", async () => {
  await expectClosedBy(Uint8Array.from([1]), await enter());
  const wire = await enter();
  wire.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
  wire.send(Uint8Array.from([1]));
  await expectClosedBy('42["message"]', wire);
});

test("attachments of more than twice maxPayload close the connection", async () => {
  const wire = await enter();
  wire.send('453-["message",{"_placeholder":true,"num":0}]');
  wire.send(new Uint8Array(900000));
  wire.send(new Uint8Array(900000));
  await expectClosedBy(new Uint8Array(900000), wire);
});

test("disconnect: from one namespace, the others go on", async () => {
  const wire = await enter();
  wire.send("40/custom");
  await wire.nextPacket();
  await wire.nextPacket();
  wire.send("41/custom");
  wire.send('42/custom,["message","nobody hears this"]');
  wire.send('42["message","message to main namespace"]');
  assert.equal(await wire.nextPacket(), '42["message-back","message to main namespace"]');
  wire.send("41");
  assert.equal(await wire.next(), "2"); // the connection lives
  await wire.close();
});

test("events: plain", async () => {
  const wire = await enter();
  wire.send('42["message",1,"2",{"3":[true]},null,1.5,"€😀"]');
  assert.equal(await wire.nextPacket(), '42["message-back",1,"2",{"3":[true]},null,1.5,"€😀"]');
  await wire.close();
});

test("events: with attachments", async () => {
  const wire = await enter();
  const args = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
  wire.send(`452-["message",${args}]`);
  wire.send(Uint8Array.from([1, 2, 3]));
  wire.send(Uint8Array.from([4, 5, 6]));
  assert.equal(await wire.nextPacket(), `452-["message-back",${args}]`);
  assert.deepEqual([...(await wire.nextPacket())], [1, 2, 3]);
  assert.deepEqual([...(await wire.nextPacket())], [4, 5, 6]);
  await wire.close();
});

test("acks: plain and with attachments", async () => {
  const wire = await enter();
  wire.send('42456["message-with-ack",1,"2",{"3":[false]}]');
  assert.equal(await wire.nextPacket(), '43456[1,"2",{"3":[false]}]');
  wire.send('451-789["message-with-ack",{"_placeholder":true,"num":0}]');
  wire.send(Uint8Array.from([7]));
  assert.equal(await wire.nextPacket(), '461-789[{"_placeholder":true,"num":0}]');
  assert.deepEqual([...(await wire.nextPacket())], [7]);
  await wire.close();
});

test("acks: one that nobody awaits is ignored", async () => {
  const wire = await enter();
  wire.send('4399["x"]');
  wire.send('42["message"]');
  assert.equal(await wire.nextPacket(), '42["message-back"]');
  await wire.close();
});

test("connect: the same namespace twice closes the connection", async () => {
  const wire = await enter();
  wire.send("40/custom,");
  await wire.nextPacket();
  await wire.nextPacket();
  await expectClosedBy("40/custom,", wire);
});

// --- revision 4, on Engine.IO 3

/** Everybody is put into the main namespace unasked. */
async function enterV3() {
  const wire = await open(3);
  assert.equal(await wire.next(), "40");
  assert.equal(await wire.next(), '42["auth",{}]');
  return wire;
}

test("revision 4: everybody is in the main namespace at once", async () => {
  const wire = await enterV3();
  wire.send('42["message",1]');
  assert.equal(await wire.next(), '42["message-back",1]');
  await wire.close();
});

test("revision 4: CONNECT has a query and no payload, errors are strings", async () => {
  const wire = await enterV3();
  wire.send("40/custom?token=abc,");
  assert.equal(await wire.next(), "40/custom,");
  assert.equal(await wire.next(), '42/custom,["auth",{}]');
  wire.send("40/random");
  assert.equal(await wire.next(), '44/random,"Invalid namespace"');
  await wire.close();
});

test("revision 4: binary has a type byte", async () => {
  const wire = await enterV3();
  wire.send('451-["message",{"_placeholder":true,"num":0}]');
  wire.send(Uint8Array.from([4, 1, 2]));
  assert.equal(await wire.next(), '451-["message-back",{"_placeholder":true,"num":0}]');
  assert.deepEqual([...(await wire.next())], [4, 1, 2]);
  await wire.close();
});
