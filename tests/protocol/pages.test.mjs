// What the server tells of itself over HTTP.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { Person, startRelay } from "./relay.mjs";

let relay;
before(async () => {
  relay = await startRelay(["--max-connections-per-ip=0", "--allowed-origins=https://a.example"]);
});
after(() => relay.stop());

const page = (path, options) => fetch(`${relay.http}${path}`, options);

test("/health says ok and the version", async () => {
  const answer = await page("/health");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.match(answer.headers.get("content-type"), /^application\/json/);
  const { status, version } = await answer.json();
  assert.equal(status, "ok");
  assert.match(version, /^\d+\.\d+\.\d+$/);
});

test("/status counts people by what they do", async () => {
  const people = [];
  for (let i = 0; i < 4; i++) people.push(await Person.enter(io, relay));
  for (const person of people.slice(0, 3)) await person.ask("find-match", {});
  const { connections, networkHealth, ...more } = await (await page("/status")).json();
  assert.deepEqual(connections, {
    total: 4,
    active: 4,
    standby: 0,
    reconnecting: 0,
    waiting: 1,
    paired: 2,
  });
  assert.deepEqual(networkHealth, {
    avgLatency: 0,
    qualityDistribution: { good: 0, fair: 0, poor: 0 },
  });
  assert.equal(more.matches, 1);
  assert.equal(more.connectionSuccessRate, 1);
  const { average, optimalShare, averageWait } = more.matchScores;
  assert.ok(average > 0 && average < 100 && optimalShare === 0 && averageWait < 1000);
  assert.equal(await relay.metric("meetopia_match_score_sum"), average);
  assert.equal(await relay.metric("meetopia_match_wait_seconds_count"), 2);
  assert.ok(more.memory > 1e6 && more.uptime >= 0);
  for (const person of people) person.leave();
  await relay.until(async () => (await relay.metric("meetopia_users")) === 0, "everybody left");
});

test("/metrics is Prometheus' text format, every name with HELP and TYPE once", async () => {
  const answer = await page("/metrics");
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const types = new Map();
  for (const line of (await answer.text()).trimEnd().split("\n")) {
    const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]), line);
      types.set(type[1], type[2]);
    } else if (!line.startsWith("# HELP ")) {
      const sample = /^(\w+)(\{[^}]+\})? -?[0-9.eE+-]+$/.exec(line);
      assert.ok(sample, line);
      const name = sample[1].replace(/_(bucket|sum|count)$/, "");
      assert.ok(types.has(sample[1]) || types.get(name) === "histogram", line);
      /* turn_ and stun_ are coturn's names, which do not end so. */
      if (!/^(turn|stun)_/.test(line))
        assert.equal(types.get(sample[1]) === "counter", sample[1].endsWith("_total"), line);
    }
  }
});

test("/api/v1/ice-servers is for allowed pages only", async () => {
  const answer = await page("/api/v1/ice-servers", { headers: { Origin: "https://a.example" } });
  const [turn, ...others] = (await answer.json()).iceServers;
  assert.deepEqual(others, []);
  assert.match(turn.urls[0], /^turn:.*:\d+\?transport=tcp$/);
  assert.match(turn.username, /^\d+:guest-/);
  assert.match(turn.credential, /^[A-Za-z0-9+/]{27}=$/);
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://a.example");
  const foreign = await page("/api/v1/ice-servers", { headers: { Origin: "https://b.example" } });
  assert.equal(foreign.status, 403);
  assert.equal((await foreign.json()).code, "origin_refused");
});

test("what is not there, or not asked for like this, is refused with a code", async () => {
  const missing = await page("/no/such/page");
  assert.equal(missing.status, 404);
  assert.equal((await missing.json()).code, "not_found");
  const wrong = await page("/status", { method: "POST", body: "x" });
  assert.equal(wrong.status, 405);
  assert.equal((await wrong.json()).code, "method_not_allowed");
  assert.match(wrong.headers.get("allow"), /GET/);
  const head = await page("/health", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
});
