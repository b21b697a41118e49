// Every event of docs/protocol.md, with the stock clients against the real server.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io as io4 } from "socket.io-client";
import io2 from "socket.io-client-2";
import { Wire, sleep, slowness, within } from "./echo.mjs";
import { Person, chromiumOffer, startRelay } from "./relay.mjs";

const clients = [
  ["4.x", io4],
  ["2.x", io2],
];

let relay;
let offer;
before(async () => {
  relay = await startRelay(["--max-connections-per-ip=0", "--events-per-second=1000"]);
  offer = await chromiumOffer();
});
after(() => relay.stop());

const people = [];
async function enter(io, options) {
  const person = await Person.enter(io, relay, options);
  people.push(person);
  return person;
}

const nobody = async () => (await relay.metric("meetopia_users")) === 0;
const everybodyLeft = () => relay.until(nobody, "everybody left");

afterEach(async () => {
  for (const person of people.splice(0)) person.leave();
  await everybodyLeft();
});

/** Two who are each other's partner. */
async function pair(io) {
  const a = await enter(io);
  const b = await enter(io);
  a.say("find-match", { type: "video" });
  await a.next("waiting");
  b.say("find-match", { type: "video" });
  a.match = await a.next("match-found");
  b.match = await b.next("match-found");
  return [a, b];
}

/** The status events up to the one that is wanted. */
async function status(person, wanted) {
  for (;;) {
    const { status: heard } = await person.next("connection-status");
    if (heard === wanted) return;
  }
}

for (const [version, io] of clients) {
  test(`client ${version}: a newcomer is told its session`, async () => {
    const a = await enter(io, { query: { region: "eu", userId: "u-1", latency: "40" } });
    assert.equal(a.session.userId.length, 20);
    const [turn, ...others] = a.session.iceServers;
    assert.deepEqual(others, []);
    assert.match(turn.urls[0], /^turn:.*transport=tcp$/);
    assert.ok(turn.username.split(":")[1].startsWith(a.session.userId));
    assert.deepEqual(
      { ...a.session, userId: "", iceServers: [] },
      {
        userId: "",
        sessionToken: null,
        restored: false,
        standbyMs: 0,
        iceServers: [],
        reportIntervalMs: 5000,
        region: "eu",
        node: "local",
      },
    );
    assert.deepEqual(await a.next("connection-status"), { status: "connected" });
  });

  test(`client ${version}: find-match waits, then matches, by ack and by event`, async () => {
    const a = await enter(io);
    const b = await enter(io);
    const wishes = { interests: ["chess"], languages: ["de", "en"] };
    const waiting = await a.ask("find-match", {
      type: "video",
      avoidPeers: [],
      ...wishes,
      preferences: { any: "thing" },
    });
    assert.deepEqual(
      { ...waiting, estimatedWaitTime: 0 },
      { status: "waiting", position: 1, estimatedWaitTime: 0 },
    );
    assert.ok(waiting.estimatedWaitTime >= 0);
    assert.equal((await a.next("waiting")).position, 1);
    await status(a, "waiting");

    const matched = await b.ask("find-match", { type: "video", ...wishes });
    assert.equal(matched.status, "matched");
    const found = await b.next("match-found");
    assert.deepEqual(matched.matchData, found);
    const other = await a.next("match-found");
    assert.equal(other.matchId, found.matchId);
    assert.notEqual(other.peerId, found.peerId);
    for (const { peerId, score, region, networkQuality } of [found, other]) {
      assert.match(peerId, /^![A-Za-z0-9_-]{16}$/);
      assert.ok(Number.isInteger(score) && score > 50 && score < 100, `score ${score}`);
      assert.equal(region, "unknown");
      assert.equal(networkQuality, "good");
    }
    // A client of the deployed kind offers when its own id is greater: both do.
    assert.ok(a.socket.id > other.peerId && b.socket.id > found.peerId);
    await status(a, "matched");
    await status(b, "matched");
  });

  test(`client ${version}: who fits better is matched first, and reads how well`, async () => {
    const query = { region: "eu-west", latency: "30" };
    const wishes = { interests: ["Chess", "go"], languages: ["de-AT"] };
    const a = await enter(io, { query });
    const b = await enter(io, { query: { region: "us-east", networkInfo: '{"rtt":900}' } });
    const c = await enter(io, { query });
    const d = await enter(io);
    // The first two are together for a moment, so that neither is met again at once.
    await a.ask("find-match", wishes);
    await b.ask("find-match", { interests: ["cars"], languages: ["en"] });
    await a.ask("find-match", wishes);
    await b.ask("find-match", { interests: ["cars"], languages: ["en"] });
    const found = (
      await c.ask("find-match", { interests: ["chess ", "GO"], languages: ["de"] })
    ).matchData;
    assert.equal(found.region, "eu-west");
    assert.equal(found.networkQuality, "good");
    assert.ok(found.score >= 100, `score ${found.score}`);
    d.say("find-match", {}); // the two may hope for better for a few seconds
    const other = await d.next("match-found", 6000);
    assert.equal(other.region, "us-east");
    assert.equal(other.networkQuality, "poor");
    assert.ok(other.score < 60, `score ${other.score}`);
  });

  test(`client ${version}: what a hint of the network cannot mean is ignored`, async () => {
    const a = await enter(io, { query: { latency: "soon", networkInfo: "[object Object]" } });
    assert.equal((await a.ask("find-match", {})).status, "waiting");
  });

  test(`client ${version}: the place in the queue and the time are told`, async () => {
    const [a, b] = await pair(io);
    await a.ask("find-match", {});
    const waiting = await b.ask("find-match", {}); // they have just left each other
    assert.equal(waiting.position, 2);
    assert.ok(waiting.estimatedWaitTime > 0 && waiting.estimatedWaitTime <= 600000);
  });

  test(`client ${version}: nobody is matched for video while media is being tried`, async () => {
    const a = await enter(io);
    const b = await enter(io);
    const c = await enter(io);
    await a.ask("offer", offer); // nobody will ever make its checks
    assert.equal((await a.ask("find-match", {})).status, "waiting");
    assert.equal((await b.ask("find-match", {})).status, "waiting");
    assert.equal((await c.ask("find-match", {})).status, "matched");
    await b.next("match-found");
    assert.ok(!a.has("match-found"));
    assert.equal((await a.ask("find-match", { type: "text" })).position, 1);
  });

  test(`client ${version}: the second vocabulary finds, calls and is answered`, async () => {
    const a = await enter(io);
    const b = await enter(io);
    a.say("find-user", { profile: { name: "Ann" } });
    await a.next("waiting");
    b.say("find-next-user");
    const found = await b.next("user-found");
    assert.match(found.partnerId, /^~/);
    assert.deepEqual(found.profile, { name: "Ann" });
    // Its clients offer when the partner's id is greater: both do.
    assert.ok(found.partnerId > b.socket.id);
    const partner = (await a.next("user-found")).partnerId;

    b.say("call-user", { offer, to: found.partnerId, profile: { name: "Bo" } });
    const made = await b.next("answer-made");
    assert.equal(made.from, found.partnerId);
    assert.equal(made.answer.type, "answer");
    assert.match(made.answer.sdp, /^v=0/);
    b.say("ice-candidate", {
      candidate: {
        candidate: "candidate:1 1 udp 2122260223 127.0.0.1 9 typ host",
        sdpMid: "0",
        sdpMLineIndex: 0,
      },
      to: found.partnerId,
    });
    b.say("mark-messages-read", { to: found.partnerId });
    assert.deepEqual(await a.next("message-read"), { from: partner });
    b.say("vibe-tap", { to: found.partnerId, x: 1 });
    assert.deepEqual(await a.next("vibe-tap"), { from: partner, x: 1 });
    b.say("peer-left", { to: found.partnerId });
    assert.equal((await a.next("peer-left")).reason, "left");
    assert.ok(!b.has("error"), JSON.stringify(b.heard));
  });

  test(`client ${version}: an offer is answered at any time, by ack and event`, async () => {
    const a = await enter(io);
    const answer = await a.ask("offer", offer);
    assert.equal(answer.type, "answer");
    assert.match(answer.sdp, /a=ice-lite/);
    assert.deepEqual(await a.next("answer"), answer);
    assert.deepEqual(await a.ask("ice-candidate", null), { ok: true });
    const candidate = { candidate: "", sdpMid: "0" };
    assert.deepEqual(await a.ask("ice-candidate", candidate), { ok: true });
    const before = await relay.refused("sdp_malformed");
    assert.equal((await a.ask("offer", { type: "offer", sdp: "hello" })).code, "sdp_malformed");
    assert.equal(await relay.refused("sdp_malformed"), before + 1); // once, not twice
  });

  test(`client ${version}: chat goes both ways, with ack and without`, async () => {
    const [a, b] = await pair(io);
    const text = "<i>zwölf</i> 😀\n\ttab";
    const ack = await a.ask("chat-message", { text, id: "my-1", color: "red" });
    assert.deepEqual(ack, { ok: true, id: "my-1", timestamp: ack.timestamp });
    assert.ok(Math.abs(Date.now() - ack.timestamp) < 10000);
    assert.deepEqual(await b.next("chat-message"), {
      id: "my-1",
      text,
      timestamp: ack.timestamp,
      from: "peer",
      verified: true,
    });
    b.say("chat-message", { text: "hello" });
    const message = await a.next("chat-message");
    assert.equal(message.text, "hello");
    assert.ok(message.id.length > 0);
  });

  test(`client ${version}: the rules of chat`, async () => {
    const [a, b] = await pair(io);
    const say = async (text) => (await a.ask("chat-message", { text })).code ?? "ok";
    assert.equal(await say("x".repeat(500)), "ok");
    assert.equal(await say("x".repeat(501)), "chat_too_long");
    assert.equal(await say("😀".repeat(500)), "ok");
    assert.equal(await say("😀".repeat(501)), "chat_too_long");
    assert.equal(await say(""), "chat_empty");
    assert.equal(await say(" \n\t "), "chat_empty");
    assert.equal(await say("a\u0007b"), "chat_bad_text");
    assert.equal(await say("a\u007f"), "chat_bad_text");
    assert.equal(await say(7), "bad_payload");
    assert.equal(await say(undefined), "bad_payload");
    assert.equal((await b.next("chat-message")).text, "x".repeat(500));
    assert.equal((await b.next("chat-message")).text, "😀".repeat(500));
    assert.equal(await say("cut in the middle 😀".slice(0, -1)), "ok");
    assert.equal((await b.next("chat-message")).text, "cut in the middle \ufffd");
    assert.ok(!b.has("chat-message"));
  });

  test(`client ${version}: small events reach the partner with the sender's name`, async () => {
    const [a, b] = await pair(io);
    const events = ["typing-start", "typing-stop", "stream-state-change", "connection-status"];
    await status(b, "matched");
    for (const event of events) {
      assert.deepEqual(await a.ask(event, { video: false }), { ok: true });
      assert.deepEqual(await b.next(event), { video: false, from: b.match.peerId });
    }
    assert.equal(
      (await a.ask("typing-start", { x: "y".repeat(5000) })).code,
      "message_too_large",
    );
  });

  test(`client ${version}: who leaves, cancels or goes is told to the partner`, async () => {
    for (const how of ["leave-chat", "cancel-match", "disconnect"]) {
      const [a, b] = await pair(io);
      if (how === "disconnect") a.leave();
      else assert.deepEqual(await a.ask(how), { ok: true });
      const left = await b.next("peer-left");
      assert.deepEqual(left, {
        peerId: b.match.peerId,
        reason: how === "disconnect" ? "disconnected" : "left",
        timestamp: left.timestamp,
        canReconnect: false,
      });
      assert.deepEqual(await b.next("peer-disconnected"), left);
      await status(b, "connected");
      assert.equal((await b.ask("chat-message", { text: "still there?" })).code, "no_partner");
      for (const person of [a, b]) person.leave();
      await everybodyLeft();
      }
  });

  test(`client ${version}: cancelling while waiting leaves the queue`, async () => {
    const a = await enter(io);
    await a.ask("find-match", {});
    assert.deepEqual(await a.ask("cancel-match"), { ok: true });
    const b = await enter(io);
    assert.equal((await b.ask("find-match", {})).status, "waiting");
  });

  test(`client ${version}: next among three`, async () => {
    const [a, b] = await pair(io);
    const c = await enter(io);
    await c.ask("find-match", {});
    const next = await a.ask("find-match", {});
    assert.equal(next.status, "matched");
    assert.equal((await b.next("peer-left")).reason, "next");
    assert.equal((await c.next("match-found")).matchId, next.matchData.matchId);
    assert.equal((await b.ask("find-match", {})).status, "waiting");
    await c.ask("chat-message", { text: "hi" });
    assert.equal((await a.next("chat-message")).text, "hi");
    assert.ok(!b.has("chat-message"));
  });

  test(`client ${version}: avoidPeers keeps people apart`, async () => {
    const [a, b] = await pair(io);
    await a.ask("find-match", { avoidPeers: [a.match.peerId, "!unknown"] });
    assert.equal((await b.ask("find-match", {})).status, "waiting");
    await sleep(4000); // longer than the cool-down after which they would meet again
    assert.ok(!a.has("match-found") && !b.has("match-found"));
  });

  test(`client ${version}: two alone meet again after the cool-down`, async () => {
    const [a, b] = await pair(io);
    await a.ask("find-match", {});
    await b.ask("find-match", {});
    await a.next("match-found", 6000);
    await b.next("match-found", 6000);
  });

  test(`client ${version}: ping, reports and questions about what there is`, async () => {
    const a = await enter(io);
    if (version === "4.x") {
      // Client 2.x keeps events of this name for itself.
      assert.deepEqual(await a.ask("ping", { timestamp: 12345 }), {
        timestamp: 12345,
        connectionQuality: "good",
        serverLoad: { activeConnections: 1, waitingUsers: 0 },
      });
      a.say("ping", {});
      assert.ok((await a.next("pong")).timestamp > 0);
    }
    assert.deepEqual(
      await a.ask("report-quality", {
        latency: 40,
        packetLoss: 0.01,
        bandwidth: 1e6,
        packetsLost: 1,
        packetsReceived: 99,
        bytesReceived: 1e5,
      }),
      { ok: true },
    );
    assert.deepEqual(await a.ask("report-error", { type: "camera", message: "no" }), { ok: true });
    for (const event of ["reconnect-attempt", "report-user"])
      assert.equal((await a.ask(event, {})).code, "not_available");
    a.say("report-user");
    assert.deepEqual(await a.next("error"), {
      code: "not_available",
      message: "this server does not offer that",
      event: "report-user",
    });
    a.say("request-turn-credentials");
    const turn = await a.next("turn-credentials");
    assert.match(turn.username, new RegExp(`^\\d+:${a.session.userId}`));
    assert.ok(turn.credential.length > 20 && turn.ttl > 0);
    assert.match(turn.uris[0], /^turn:.*transport=tcp$/);
    assert.equal((await a.ask("restore-connection", { peerId: "!gone" })).reason, "gone");
    a.say("restore-connection", { peerId: "!gone" });
    assert.equal((await a.next("peer-disconnected")).reason, "gone");
  });

  test(`client ${version}: restore-connection of the partner of now`, async () => {
    const [a, b] = await pair(io);
    a.say("restore-connection", { peerId: a.match.peerId });
    assert.deepEqual(await a.next("connection-restored"), {
      peerId: a.match.peerId,
      status: "active",
    });
  });

  test(`client ${version}: what is wrong is refused by name, and nothing else happens`, async () => {
    const a = await enter(io);
    const cases = [
      ["no-such-event", {}, "unknown_event"],
      ["find-match", { type: "audio" }, "bad_payload"],
      ["find-match", "video", "bad_payload"],
      ["find-match", { avoidPeers: 7 }, "bad_payload"],
      ["find-match", { interests: [{}] }, "bad_payload"],
      ["offer", { type: "answer", sdp: "" }, "bad_payload"],
      ["offer", null, "bad_payload"],
      ["call-user", { offer, to: "~nobody" }, "no_partner"],
      ["ice-candidate", { candidate: "x" }, "wrong_state"],
      ["chat-message", { text: "hi" }, "no_partner"],
      ["typing-start", {}, "no_partner"],
      ["report-quality", { packetLoss: 2 }, "bad_payload"],
      ["restore-connection", {}, "bad_payload"],
    ];
    for (const [event, payload, code] of cases) {
      const before = await relay.refused(code);
      assert.equal((await a.ask(event, payload)).code, code, event);
      assert.equal(await relay.refused(code), before + 1, code);
    }
    assert.equal(await relay.metric("meetopia_users", 'state="waiting"'), 0);
  });

  test(`client ${version}: a page of another origin is refused`, async () => {
    const before = await relay.refused("origin_refused");
    const a = new Person(io, relay, { extraHeaders: { Origin: "https://evil.example" } });
    await new Promise((resolve) => a.socket.once("connect_error", resolve));
    assert.equal(await relay.refused("origin_refused"), before + 1);
    a.leave();
  });

  test(`client ${version}: a malformed handshake is refused with a code`, async () => {
    const a = new Person(io, relay, { query: { region: "x".repeat(40) } });
    const refused = new Promise((resolve) => {
      a.socket.once(version === "4.x" ? "connect_error" : "error", resolve);
    });
    const error = await within(3000, refused, "not refused");
    if (version === "4.x") assert.equal(error.data.code, "bad_payload");
    else assert.match(String(error.message ?? error), /payload/);
    a.leave();
  });
}

test("text that is not UTF-8 ends the connection of who sends it, and nobody else's", async () => {
  const [a, b] = await pair(io4);
  const before = await relay.refused("bad_websocket");
  const wire = new Wire(`${relay.ws}/socket.io/?EIO=4&transport=websocket`);
  await wire.next();
  wire.send("40");
  await wire.next();
  wire.socket._socket.write(
    Buffer.from([0x81, 0x86, 0, 0, 0, 0, ...Buffer.from('42["'), 0xff, 0xfe]),
  );
  await within(3000, wire.closed, "not closed");
  assert.equal(await relay.refused("bad_websocket"), before + 1);
  await a.ask("chat-message", { text: "all well" });
  await b.next("chat-message");
});

test("an address has as many live users as allowed, and no more", async () => {
  const own = await startRelay(["--max-connections-per-ip=2"]);
  const a = await Person.enter(io4, own);
  const b = await Person.enter(io4, own);
  const c = new Person(io4, own);
  const error = await new Promise((resolve) => c.socket.once("connect_error", resolve));
  assert.equal(error.data.code, "ip_limit");
  assert.equal(error.message, "too many connections from this address");
  assert.equal(await own.refused("ip_limit"), 1);
  // What counts are people: a bare connection takes no place, and one who left gives it back.
  const bare = new Wire(`${own.ws}/socket.io/?EIO=4&transport=websocket`);
  await bare.next();
  a.leave();
  await own.until(async () => (await own.metric("meetopia_users")) === 1, "one left");
  const d = await Person.enter(io4, own);
  for (const person of [b, c, d]) person.leave();
  await bare.close();
  await own.stop();
});

test("one who sends 10 000 events a second does not slow the chat of others", async () => {
  const own = await startRelay(["--max-connections-per-ip=0"]);
  const a = await Person.enter(io4, own);
  const b = await Person.enter(io4, own);
  a.say("find-match", {});
  b.say("find-match", {});
  await a.next("match-found");
  await b.next("match-found");

  // Bare wires in bursts of 100 every 10 ms; each is put out for it and comes again.
  let flooding = true;
  let sent = 0;
  let ended = 0;
  const flood = (async () => {
    while (flooding) {
      const wire = new Wire(`${own.ws}/socket.io/?EIO=4&transport=websocket`);
      await wire.next();
      wire.send("40");
      let open = true;
      wire.closed.then(() => {
        open = false;
        ended++;
      });
      while (flooding && open) {
        for (let i = 0; i < 100; i++) wire.send('42["typing-start",{"a":1}]');
        sent += 100;
        await sleep(10);
      }
      wire.socket.terminate();
    }
  })();

  const times = [];
  for (let i = 0; i < 200; i++) {
    const begin = performance.now();
    const [ack] = await Promise.all([
      a.ask("chat-message", { text: `message ${i}` }),
      b.next("chat-message"),
    ]);
    assert.equal(ack.ok, true);
    times.push(performance.now() - begin);
    await sleep(15); // below the default limit of 100 a second
  }
  flooding = false;
  await flood;
  times.sort((x, y) => x - y);
  const p95 = times[Math.floor(times.length * 0.95)];
  assert.ok(sent > 5000, `only ${sent} events were sent`);
  assert.ok(ended > 0, "the flood was never ended");
  assert.ok(p95 < 100 * slowness, `chat took ${p95} ms`);
  assert.ok((await own.refused("rate_limit")) > 1000);
  a.leave();
  b.leave();
  await own.stop();
});
