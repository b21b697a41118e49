// The stock clients, socket.io-client 4.x and 2.x, on every transport.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io as io4 } from "socket.io-client";
import io2 from "socket.io-client-2";
import { killEchoes, sleep, startEcho, within } from "./echo.mjs";

const opened = [];
let echo;
before(async () => {
  echo = await startEcho("300", "2000");
});
after(async () => {
  opened.forEach((socket) => socket.close()); // also those of tests that failed
  await echo.stop();
  killEchoes();
});

const clients = [
  ["4.x", io4, 4],
  ["2.x", io2, 3],
];
const transports = [
  ["polling", ["polling"]],
  ["websocket", ["websocket"]],
  ["polling, then websocket", ["polling", "websocket"]],
];

function connect(io, path = "/", options = {}, server = echo) {
  const all = { forceNew: true, reconnection: false, ...options };
  const socket = io(`${server.http}${path}`, all);
  opened.push(socket);
  return socket;
}

/** The arguments of the next `event`. */
function next(socket, event, ms = 3000) {
  const arrived = new Promise((resolve) => socket.once(event, (...args) => resolve(args)));
  return within(ms, arrived, `no ${event} came`);
}

/** Emits and waits for the ack's arguments. */
function ask(socket, event, ...args) {
  const answered = new Promise((resolve) => {
    socket.emit(event, ...args, (...answer) => resolve(answer));
  });
  return within(3000, answered, `${event} was not acknowledged`);
}

async function untilUpgraded(socket) {
  const begin = Date.now();
  while (socket.io.engine.transport.name !== "websocket") {
    assert.ok(Date.now() - begin < 2000, "no upgrade");
    await sleep(5);
  }
  await sleep(20); // the server reads the upgrade packet
}

for (const [version, io, protocol] of clients) {
  for (const [name, list] of transports) {
    test(`client ${version}, ${name}: events, acks and binary both ways`, async () => {
      const socket = connect(io, "/", { transports: list, query: { who: "tést & co" } });
      await next(socket, "auth");
      if (list.length === 2) await untilUpgraded(socket);

      socket.emit("message", 1, "zwei €😀", { 3: [true, null] });
      const echoed = [1, "zwei €😀", { 3: [true, null] }];
      assert.deepEqual(await next(socket, "message-back"), echoed);
      assert.deepEqual(await ask(socket, "message-with-ack", { a: 1 }, "b"), [{ a: 1 }, "b"]);

      socket.emit("message", { bytes: Buffer.from([0, 1, 254, 255]), text: "x" }, Buffer.alloc(0));
      const [{ bytes, text }, empty] = await next(socket, "message-back");
      assert.deepEqual([...new Uint8Array(bytes)], [0, 1, 254, 255]);
      assert.equal(text, "x");
      assert.equal(Buffer.from(empty).length, 0);
      const [acked] = await ask(socket, "message-with-ack", Buffer.from("binary ack"));
      assert.equal(Buffer.from(acked).toString(), "binary ack");

      const answered = next(socket, "answered");
      socket.once("question", (question, answer) => answer(question, "and an answer"));
      socket.emit("ask", { deep: ["question"] });
      assert.deepEqual(await answered, [{ deep: ["question"] }, "and an answer"]);

      const [info] = await ask(socket, "info");
      assert.equal(info.id, socket.id);
      assert.equal(info.protocol, protocol);
      assert.equal(info.transport, list.at(-1));
      assert.equal(info.who, "tést & co");
      assert.equal(info.address, "127.0.0.1");
      socket.close();
    });

    test(`client ${version}, ${name}: stays through many heartbeats`, async () => {
      const socket = connect(io, "/", { transports: list });
      await next(socket, "auth");
      let left = null;
      socket.on("disconnect", (reason) => {
        left = reason;
      });
      await sleep(1500);
      assert.equal(left, null);
      assert.deepEqual(await ask(socket, "message-with-ack", "alive"), ["alive"]);
      socket.close();
    });

    test(`client ${version}, ${name}: large messages`, async () => {
      const socket = connect(io, "/", { transports: list });
      await next(socket, "auth");
      const text = "ä".repeat(200000);
      assert.deepEqual(await ask(socket, "message-with-ack", text), [text]);
      const bytes = Buffer.alloc(300000, 7);
      const [back] = await ask(socket, "message-with-ack", bytes);
      assert.ok(bytes.equals(Buffer.from(back)));
      socket.close();
    });

    test(`client ${version}, ${name}: the server closes the connection`, async () => {
      const socket = connect(io, "/", { transports: list });
      await next(socket, "auth");
      socket.emit("kick");
      assert.equal((await next(socket, "disconnect"))[0], "io server disconnect");
      socket.close();
    });
  }

  test(`client ${version}: messages during the upgrade keep their order`, async () => {
    const socket = connect(io);
    const heard = [];
    socket.on("message-back", (n) => heard.push(n));
    await next(socket, "auth");
    for (let i = 0; i < 200; i++) {
      socket.emit("message", i);
      if (i % 10 === 0) await sleep(1);
    }
    await untilUpgraded(socket);
    await ask(socket, "message-with-ack");
    assert.deepEqual(heard, Array.from({ length: 200 }, (_, i) => i));
    socket.close();
  });

  test(`client ${version}: an answer that does not come is given up`, async () => {
    const socket = connect(io);
    await next(socket, "auth");
    socket.emit("ask", "silence");
    assert.deepEqual(await next(socket, "answered"), []);
    socket.close();
  });

  test(`client ${version}: the answer may be binary`, async () => {
    const socket = connect(io);
    await next(socket, "auth");
    socket.once("question", (_question, answer) => answer(Buffer.from("bytes")));
    socket.emit("ask", "bytes?");
    const [bytes] = await next(socket, "answered");
    assert.equal(Buffer.from(bytes).toString(), "bytes");
    socket.close();
  });

  test(`client ${version}: a namespace of its own`, async () => {
    const socket = connect(io, "/custom");
    await next(socket, "auth");
    assert.deepEqual(await ask(socket, "message-with-ack", 1), [1]);
    const [info] = await ask(socket, "info");
    assert.equal(info.id, socket.id);
    socket.close();
  });

  test(`client ${version}: an unknown namespace is an error`, async () => {
    const socket = connect(io, "/random");
    const [error] = await next(socket, protocol === 4 ? "connect_error" : "error");
    assert.equal(error.message ?? error, "Invalid namespace");
    socket.close();
  });

  test(`client ${version}: many in a namespace hear the same`, async () => {
    const all = Array.from({ length: 5 }, (_, i) =>
      connect(io, "/custom", { transports: [i % 2 ? "polling" : "websocket"] }),
    );
    await Promise.all(all.map((socket) => next(socket, "auth")));
    const heard = all.slice(1).map((socket) => next(socket, "to-all"));
    assert.deepEqual(await ask(all[0], "all", { text: "hello" }), [4]);
    for (const args of await Promise.all(heard)) assert.deepEqual(args, [{ text: "hello" }]);
    all.forEach((socket) => socket.close());
  });

  test(`client ${version}: put out of the namespace by the server`, async () => {
    const socket = connect(io);
    await next(socket, "auth");
    socket.emit("leave");
    assert.equal((await next(socket, "disconnect"))[0], "io server disconnect");
    socket.close();
  });

  test(`client ${version}: the server hears why a client left`, async () => {
    const watcher = connect(io, "/custom");
    await next(watcher, "auth");
    const socket = connect(io, "/", { transports: ["websocket"] });
    await next(socket, "auth");
    socket.close();
    await sleep(50);
    const [{ lastReason }] = await ask(watcher, "info");
    assert.match(lastReason, /^(client namespace disconnect|transport close)$/);
    watcher.close();
  });

  test(`client ${version}: comes back by itself when the server does`, async () => {
    const first = await startEcho("300", "2000");
    const patience = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };
    const socket = connect(io, "/", patience, first);
    await next(socket, "auth");
    const left = next(socket, "disconnect");
    const second = await startEcho("300", "2000");
    socket.io.uri = second.http; // where it will look when it comes back
    const returned = next(socket, "auth", 5000);
    await first.stop(); // in good order: exit status 0
    assert.match((await left)[0], /^transport (close|error)$/);
    await returned;
    assert.deepEqual(await ask(socket, "message-with-ack", "again"), ["again"]);
    socket.close();
    await second.stop();
  });

  test(`client ${version}: polling clients are told of a shutdown too`, async () => {
    const server = await startEcho("300", "2000");
    const socket = connect(io, "/", { transports: ["polling"] }, server);
    await next(socket, "auth");
    const left = next(socket, "disconnect");
    server.terminate();
    assert.match((await left)[0], /^transport (close|error)$/);
    const [code] = await within(3000, server.exited);
    assert.equal(code, 0);
  });
}

test("client 4.x: auth payload, and a refusal with its code", async () => {
  const good = connect(io4, "/private", { auth: { word: "sesame", n: [1] } });
  assert.deepEqual(await next(good, "auth"), [{ word: "sesame", n: [1] }]);
  good.close();
  const bad = connect(io4, "/private", { auth: { word: "please" } });
  const [error] = await next(bad, "connect_error");
  assert.equal(error.message, "credentials are missing or wrong");
  assert.deepEqual(error.data, { code: "unauthorized" });
  bad.close();
});

test("client 4.x: two namespaces on one connection", async () => {
  const socket = connect(io4);
  const custom = socket.io.socket("/custom");
  custom.connect();
  await Promise.all([next(socket, "auth"), next(custom, "auth")]);
  assert.deepEqual(await ask(custom, "message-with-ack", "c"), ["c"]);
  custom.disconnect();
  assert.deepEqual(await ask(socket, "message-with-ack", "m"), ["m"]);
  socket.close();
});

test("client 4.x: forceBase64", async () => {
  for (const [, list] of transports) {
    const socket = connect(io4, "/", { transports: list, forceBase64: true });
    await next(socket, "auth");
    const [back] = await ask(socket, "message-with-ack", Buffer.from([1, 2, 3]));
    assert.deepEqual([...new Uint8Array(back)], [1, 2, 3]);
    socket.close();
  }
});
