// What goes wrong around the server: ports, files, signals, clients that vanish or do not read.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import net from "node:net";
import dgram from "node:dgram";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { io } from "socket.io-client";
import { Wire, sleep, slowness, within } from "./echo.mjs";
import { Person, program, root, runRelay, startRelay } from "./relay.mjs";

const CONFIGURATION = 78; // sysexits.h's EX_CONFIG
const isRoot = process.getuid() === 0;
const rootOnly = { skip: isRoot ? false : "needs root" };

let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meetopia-faults-"));
  await chmod(folder, 0o755);
});
after(() => rm(folder, { recursive: true, force: true }));

const file = (name) => join(folder, name);

/** A key and a self-signed certificate for it, as NAME.pem and NAME.key. */
function makeCertificate(name) {
  execFileSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ...["-subj", `/CN=${name}.example`, "-keyout", file(`${name}.key`), "-out", file(`${name}.pem`)],
    ],
    { stdio: "ignore" },
  );
}

/** The common name of the certificate that the server shows. */
async function shownName(relay) {
  const socket = tls.connect({ port: relay.port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return name;
}

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const anyPorts = ["--port=0", "--listening-port=0"];

// --- starting -------------------------------------------------------------------------------

test("a TCP port in use is named", async () => {
  const taken = net.createServer().listen(0, "0.0.0.0");
  await once(taken, "listening");
  const { port } = taken.address();
  const { status, err } = await runRelay([`--port=${port}`, "--listening-port=0"]);
  taken.close();
  assert.equal(status, 1);
  assert.match(err, new RegExp(`TCP .*${port}.*in use`));
});

test("a UDP port in use is named", async () => {
  const taken = dgram.createSocket("udp4").bind(0, "0.0.0.0");
  await once(taken, "listening");
  const { port } = taken.address();
  const { status, err } = await runRelay(["--port=0", `--listening-port=${port}`]);
  taken.close();
  assert.equal(status, 1);
  assert.match(err, new RegExp(`UDP .*${port}.*in use`));
});

test("a second server on the same ports does not start, and the first lives on", async () => {
  const relay = await startRelay();
  const same = [`--port=${relay.port}`, `--listening-port=${relay.udpPort}`];
  assert.equal((await runRelay(same)).status, 1);
  assert.equal((await fetch(`${relay.http}/health`)).status, 200);
  await relay.stop();
});

const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/** A copy of the program where everybody may run it. */
async function publicProgram() {
  const copy = file("meetopia-relay");
  await copyFile(program, copy);
  await chmod(copy, 0o755);
  return copy;
}

/** Runs it as nobody, who cannot look into our folders. */
async function runAsNobody(options) {
  const [command, ...words] = [...asNobody, await publicProgram(), ...options];
  const { status, stdout, stderr } = spawnSync(command, words, {
    cwd: "/",
    env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS },
    encoding: "utf8",
    timeout: 10000,
  });
  return { status, out: stdout, err: stderr };
}

test("a port that takes permission is refused with the reason", rootOnly, async () => {
  const privileged = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  const start = Number(await readFile(privileged, "utf8"));
  // A container may let everybody have every port: a namespace of our own does not.
  const [unshare, port] = ["unshare", start > 1 ? start - 1 : 80];
  const { status, stderr } = spawnSync(
    unshare,
    [
      ...["-n", "sh", "-c"],
      `ip link set lo up; echo 1024 > ${privileged}; exec ${asNobody.join(" ")} "$0" "$@"`,
      await publicProgram(),
      ...[`--port=${Math.min(port, 80)}`, "--listening-port=0"],
    ],
    { encoding: "utf8", timeout: 10000, env: { PATH: process.env.PATH } },
  );
  assert.equal(status, 1, stderr);
  assert.match(stderr, /TCP .*80.*ermission denied/);
});

test("a certificate and a configuration that may not be read are named", rootOnly, async () => {
  makeCertificate("secret");
  await chmod(file("secret.key"), 0o600);
  const cert = [`--cert=${file("secret.pem")}`, `--pkey=${file("secret.key")}`];
  const refused = await runAsNobody([...anyPorts, ...cert]);
  assert.equal(refused.status, 1, refused.err);
  assert.match(refused.err, /secret\.key.*ermission denied/);

  await writeFile(file("secret.conf"), "port=0\n", { mode: 0o600 });
  const unread = await runAsNobody([`--config=${file("secret.conf")}`]);
  assert.equal(unread.status, CONFIGURATION, unread.err);
  assert.match(unread.err, /secret\.conf.*ermission denied/);
});

test("an unprivileged user runs it from any folder without configuration", rootOnly, async () => {
  const relay = await startRelay([], { cwd: "/", wrap: asNobody.concat(["env"]) }).catch(
    // Our build folder may be closed to nobody: then the copy has to do.
    () => null,
  );
  if (relay) await relay.stop();
  const check = await runAsNobody(["--check-config"]);
  assert.equal(check.status, 0, check.err);
});

test("it runs from any folder with no configuration at all", async () => {
  const relay = await startRelay([], { cwd: "/" });
  assert.match(relay.said(), /http:\/\/localhost:\d+/);
  assert.equal((await (await fetch(`${relay.http}/health`)).json()).status, "ok");
  await relay.stop();
});

test("a certificate that does not fit its key is refused, also by --check-config", async () => {
  makeCertificate("one");
  makeCertificate("two");
  const options = [`--cert=${file("one.pem")}`, `--pkey=${file("two.key")}`];
  const run = await runRelay([...anyPorts, ...options]);
  assert.equal(run.status, 1);
  assert.match(run.err, /two\.key/);
  assert.match(run.err, /does not belong to .*one\.pem/);
  const check = await runRelay(["--check-config", ...options]);
  assert.equal(check.status, CONFIGURATION);
  assert.match(check.err, /two\.key/);
});

test("a certificate that is missing or not PEM is named", async () => {
  makeCertificate("good");
  await writeFile(file("words.pem"), "this is no certificate\n");
  for (const [cert, key, named] of [
    ["missing.pem", "good.key", /missing\.pem.*No such file/],
    ["good.pem", "missing.key", /missing\.key.*No such file/],
    ["words.pem", "good.key", /words\.pem/],
    ["good.pem", "words.pem", /words\.pem/],
  ]) {
    const options = [`--cert=${file(cert)}`, `--pkey=${file(key)}`];
    const run = await runRelay([...anyPorts, ...options]);
    assert.equal(run.status, 1);
    assert.match(run.err, named);
    assert.equal((await runRelay(["--check-config", ...options])).status, CONFIGURATION);
  }
  const half = await runRelay([`--cert=${file("good.pem")}`]);
  assert.equal(half.status, CONFIGURATION);
  assert.match(half.err, /pkey is missing/);
});

test("an unknown option is refused, and the nearest one named", async () => {
  const flag = await runRelay(["--alowed-origins=*"]);
  assert.equal(flag.status, CONFIGURATION);
  assert.match(flag.err, /alowed-origins.*allowed-origins/s);
  await writeFile(file("typo.conf"), "port=0\nlog-levle=info\n");
  const line = await runRelay([`--config=${file("typo.conf")}`]);
  assert.equal(line.status, CONFIGURATION);
  assert.match(line.err, /typo\.conf:2: .*log-level/s);
  const missing = await runRelay([`--config=${file("nowhere.conf")}`]);
  assert.equal(missing.status, CONFIGURATION);
  assert.match(missing.err, /nowhere\.conf.*No such file/);
});

test("a log file that cannot be opened is named", async () => {
  const { status, err } = await runRelay([...anyPorts, `--log-file=${file("no/such/log")}`]);
  assert.equal(status, 1);
  assert.match(err, /no\/such\/log.*No such file/);
});

// --- a full disk ----------------------------------------------------------------------------

test("a full disk loses log lines, which are counted, and nothing else", async () => {
  const full = ["--log-file=/dev/full", "--log-level=debug"];
  const relay = await startRelay(full);
  const a = await Person.enter(io, relay);
  assert.equal((await a.ask("ping", {})).connectionQuality, "good");
  await a.ask("find-match", { type: "text" }); // a change of state is a debug line
  await relay.until(async () => (await relay.metric("meetopia_log_dropped_total")) > 0, "dropped");
  a.leave();
  await relay.stop();
  assert.match(relay.said(), /log/); // standard error is told
});

test("a disk that was full and is free again goes on being written", rootOnly, async () => {
  const disk = file("disk");
  await mkdir(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  try {
    const relay = await startRelay([
      `--log-file=${disk}/log`,
      "--log-level=debug",
      "--max-connections-per-ip=0",
    ]);
    await writeFile(`${disk}/ballast`, Buffer.alloc(40 * 1024));
    const fill = async () => (await Person.enter(io, relay)).leave();
    const dropped = () => relay.metric("meetopia_log_dropped_total");
    await relay.until(async () => (await fill(), await dropped()) > 0, "the disk is full", 20000);
    const before = await readFile(`${disk}/log`, "utf8");

    await rm(`${disk}/ballast`);
    await fill();
    await relay.until(
      async () => (await readFile(`${disk}/log`, "utf8")).length > before.length,
      "the log goes on",
    );
    const lost = await dropped();
    await fill();
    assert.equal(await dropped(), lost);
    // Whatever was cut off when the disk filled up, new lines begin at the start of a line.
    const text = await readFile(`${disk}/log`, "utf8");
    assert.match(text.slice(before.length), /\n\d{4}-\d\d-\d\dT/);
    await relay.stop();
  } finally {
    execFileSync("umount", ["-l", disk]);
  }
});

// --- signals --------------------------------------------------------------------------------

test("SIGTERM tells a client that is alone on its WebSocket", async () => {
  const relay = await startRelay();
  const person = await Person.enter(io, relay, { transports: ["websocket"] });
  relay.kill("SIGTERM");
  await person.next("server-draining");
  assert.match(await within(3000, person.gone, "not closed"), /transport/);
  assert.equal(await relay.exited, 0);
});

test("SIGTERM tells clients, closes them, and the server ends well", async () => {
  const relay = await startRelay(["--shutdown-grace=10s", "--max-connections-per-ip=0"]);
  const people = [
    await Person.enter(io, relay),
    await Person.enter(io, relay, { transports: ["polling"] }),
  ];
  people[0].say("find-match", {});
  await people[0].next("waiting");
  people[1].say("find-match", {});
  await people[1].next("match-found");
  const begin = Date.now();
  relay.kill("SIGTERM");
  for (const person of people) {
    const { deadlineMs, reconnectAfterMs } = await person.next("server-draining");
    assert.equal(deadlineMs, 10000);
    assert.ok(reconnectAfterMs >= 1000 && reconnectAfterMs < 3000);
    assert.match(await within(3000, person.gone, "not closed"), /transport/);
    assert.ok(!person.has("peer-left")); // nobody left: all go
  }
  assert.equal(await within(5000, relay.exited, "still there"), 0);
  assert.ok(Date.now() - begin < 5000, "nobody was there to wait for");
});

test("SIGTERM ends the server within the grace, whoever does not read", async () => {
  const relay = await startRelay(["--shutdown-grace=1s", "--max-connections-per-ip=0"]);
  const wire = new Wire(`${relay.ws}/socket.io/?EIO=4&transport=websocket`);
  await wire.next();
  wire.send("40");
  await wire.next();
  wire.socket._socket.pause(); // never reads again
  for (let i = 0; i < 50; i++) wire.send(`420["ping",{"timestamp":1,"x":"${"y".repeat(1000)}"}]`);
  // One that has said nothing at all, and one in the middle of a request.
  const silent = net.connect(relay.port, "127.0.0.1");
  const half = net.connect(relay.port, "127.0.0.1");
  half.write("GET /health HTTP/1.1\r\nHost: x\r\n");
  for (const socket of [silent, half]) socket.on("error", () => {}); // they may be reset
  await Promise.all([once(silent, "connect"), once(half, "connect")]);
  const begin = Date.now();
  relay.kill("SIGTERM");
  assert.equal(await within(4000, relay.exited, "still there"), 0);
  assert.ok(Date.now() - begin < 2000, `it took ${Date.now() - begin} ms`);
  for (const socket of [silent, half, wire.socket._socket]) socket.destroy();
});

test("newcomers and load balancers are told during the shutdown", async () => {
  const relay = await startRelay(["--shutdown-grace=2s"]);
  // A polling session that never comes back for its last words keeps the port open.
  const handshake = `${relay.http}/socket.io/?EIO=4&transport=polling`;
  await fetch(handshake);
  relay.kill("SIGTERM");
  await sleep(100);
  const late = await fetch(handshake);
  assert.equal(late.status, 503);
  assert.equal((await late.json()).code, "shutting_down");
  const health = await fetch(`${relay.http}/health`);
  assert.equal(health.status, 503);
  assert.equal((await health.json()).code, "shutting_down");
  assert.equal(await within(4000, relay.exited, "still there"), 0);
});

test("SIGINT twice ends the server at once", async () => {
  const relay = await startRelay(["--shutdown-grace=60s"]);
  const wire = new Wire(`${relay.ws}/socket.io/?EIO=4&transport=websocket`);
  await wire.next();
  const idle = net.connect(relay.port, "127.0.0.1");
  idle.on("error", () => {});
  idle.write("GET / HTTP/1.1\r\n"); // a request that never ends
  await sleep(50);
  wire.socket._socket.pause();
  relay.kill("SIGINT");
  await sleep(100);
  relay.kill("SIGINT");
  assert.equal(await within(3000, relay.exited, "still there"), 0);
  idle.destroy();
  wire.socket._socket.destroy();
});

test("SIGHUP opens the log again under its name", async () => {
  const relay = await startRelay([`--log-file=${file("rotated.log")}`]);
  await rename(file("rotated.log"), file("rotated.log.1"));
  relay.kill("SIGHUP");
  await relay.until(
    () => readFile(file("rotated.log"), "utf8").then((t) => /reloaded/.test(t), () => false),
    "the new file has the next line",
  );
  await relay.stop();
  assert.match(await readFile(file("rotated.log"), "utf8"), /stopped/);
});

test("SIGHUP reloads limits, origins and level; running connections live on", async () => {
  const config = file("reload.conf");
  await writeFile(config, "max-connections-per-ip=1\nevents-per-second=1\n");
  const log = file("reload.log");
  const relay = await startRelay([`--config=${config}`, `--log-file=${log}`, "--shutdown-grace=1s"]);
  const origin = { headers: { Origin: "https://app.example" } };
  const handshake = `${relay.http}/socket.io/?EIO=4&transport=polling`;
  const a = await Person.enter(io, relay);
  await a.ask("ping", {});
  assert.equal((await a.ask("ping", {})).code, "rate_limit");
  assert.equal((await fetch(handshake, origin)).status, 403);

  await writeFile(
    config,
    "max-connections-per-ip=2\nevents-per-second=100\nlog-level=debug\n" +
      "allowed-origins=https://app.example\nport=1\n",
  );
  relay.kill("SIGHUP");
  const logged = async (what) => what.test(await readFile(log, "utf8"));
  await relay.until(() => logged(/reloaded: 4 options changed/), "reloaded");
  await sleep(1000);
  for (let i = 0; i < 10; i++) assert.equal((await a.ask("ping", {})).code, undefined);
  const b = await Person.enter(io, relay);
  assert.ok(a.socket.connected);
  const allowed = await fetch(handshake, origin);
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://app.example");
  await b.ask("find-match", {});
  assert.ok(await logged(/debug lobby: .*connected -> waiting/));

  // One that cannot be read changes nothing.
  await writeFile(config, "max-connections-per-ip=many\n");
  relay.kill("SIGHUP");
  await relay.until(() => logged(/the running configuration stays/), "refused");
  assert.ok((await b.ask("ping", {})).timestamp > 0);
  a.leave();
  b.leave();
  await relay.stop();
});

test("SIGHUP reloads the certificate for new connections, if it is a good one", async () => {
  makeCertificate("first");
  makeCertificate("second");
  for (const end of ["pem", "key"]) await symlink(file(`first.${end}`), file(`now.${end}`));
  const log = file("certificate.log");
  const relay = await startRelay([
    ...[`--cert=${file("now.pem")}`, `--pkey=${file("now.key")}`],
    `--log-file=${log}`,
  ]);
  const secure = { http: relay.http.replace("http", "https") };
  const a = await Person.enter(io, secure, { rejectUnauthorized: false });
  assert.equal(await shownName(relay), "first.example");

  const point = async (name) => {
    for (const end of ["pem", "key"]) {
      await rm(file(`now.${end}`));
      await symlink(file(`${name}.${end}`), file(`now.${end}`));
    }
    relay.kill("SIGHUP");
  };
  await point("second");
  await relay.until(async () => (await shownName(relay)) === "second.example", "the new one");
  assert.equal((await a.ask("ping", {})).connectionQuality, "good");

  await point("missing");
  await relay.until(
    async () => /the old certificate stays in use/.test(await readFile(log, "utf8")),
    "refused",
  );
  assert.equal(await shownName(relay), "second.example");
  a.leave();
  await relay.stop();
});

test("signals during the start are not lost and do no harm", async () => {
  const relay = await startRelay();
  for (let i = 0; i < 20; i++) relay.kill("SIGHUP");
  assert.equal((await fetch(`${relay.http}/health`)).status, 200);
  await relay.stop();
});

// --- clients --------------------------------------------------------------------------------

test("a client that vanishes is missed by its heartbeat, and its partner told", async () => {
  const relay = await startRelay([
    ...["--ping-interval=200ms", "--ping-timeout=300ms"],
    "--max-connections-per-ip=0",
  ]);
  const b = await Person.enter(io, relay);
  // A bare wire that answers nothing: to the server this is a machine that lost its network.
  const wire = new Wire(`${relay.ws}/socket.io/?EIO=4&transport=websocket`);
  await wire.next();
  wire.send("40");
  wire.send('42["find-match",{}]');
  await b.ask("find-match", {});
  await b.next("match-found");
  assert.equal((await b.next("peer-left", 3000)).reason, "disconnected");
  assert.ok(b.socket.connected);
  assert.equal(await relay.refused("eio_ping_timeout"), 1);
  assert.equal(await relay.metric("meetopia_users"), 1);
  b.leave();
  await relay.stop();
});

test("a machine that vanishes without a word is missed", rootOnly, async () => {
  const name = `faults${process.pid}`;
  const [here, there] = [`f${process.pid}a`, `f${process.pid}b`];
  const network = `10.${128 + (process.pid % 127)}.${(process.pid >> 7) % 256}`;
  const run = (line) => execFileSync("ip", line.split(" "), { stdio: "pipe" });
  const relay = await startRelay([
    ...["--ping-interval=300ms", "--ping-timeout=700ms"],
    "--max-connections-per-ip=0",
  ]);
  // A whole client in a network of its own, which answers its pings as long as there is a network.
  const script = `
    import { io } from "socket.io-client";
    const socket = io("http://${network}.1:${relay.port}", { transports: ["websocket"] });
    socket.on("session", () => socket.emit("find-match", {}));`;
  let machine;
  run(`netns add ${name}`);
  try {
    run(`link add ${here} type veth peer name ${there} netns ${name}`);
    run(`addr add ${network}.1/24 dev ${here}`);
    run(`link set ${here} up`);
    run(`-n ${name} addr add ${network}.2/24 dev ${there}`);
    run(`-n ${name} link set ${there} up`);
    machine = spawn(
      "ip",
      ["netns", "exec", name, process.execPath, "--input-type=module", "-e", script],
      { cwd: join(root, "tests"), stdio: "inherit" },
    );
    await relay.until(
      async () => (await relay.metric("meetopia_users", 'state="waiting"')) === 1,
      "the machine waits",
      15000,
    );
    const b = await Person.enter(io, relay);
    await b.ask("find-match", {});
    await b.next("match-found");
    await sleep(2000); // longer than interval and timeout together: it answers
    assert.ok(!b.has("peer-left"));

    const drop = (hook) => `chain ${hook} { type filter hook ${hook} priority 0; policy drop; }`;
    const rules = `table ip silence { ${drop("input")}; ${drop("output")}; }`;
    execFileSync("ip", ["netns", "exec", name, "nft", rules]);
    assert.equal((await b.next("peer-left", 6000)).reason, "disconnected");
    assert.equal(await relay.refused("eio_ping_timeout"), 1);
    b.leave();
  } finally {
    machine?.kill("SIGKILL");
    // The namespace itself lives on until its last, silenced connection is given up.
    run(`link del ${here}`);
    run(`netns del ${name}`);
    await relay.stop();
  }
});

test("a client that stops reading is put out, and nobody else notices", async () => {
  const relay = await startRelay(["--max-connections-per-ip=0", "--events-per-second=100000"]);
  const a = await Person.enter(io, relay);
  const wire = new Wire(`${relay.ws}/socket.io/?EIO=4&transport=websocket`);
  await wire.next();
  wire.send("40");
  wire.send('42["find-match",{}]');
  await a.ask("find-match", {});
  await a.next("match-found");
  wire.socket._socket.pause();
  const emoji = () => String.fromCodePoint(0x1f300 + Math.floor(Math.random() * 700));
  const text = () => Array.from({ length: 500 }, emoji).join(""); // nothing that compresses
  const times = [];
  let left = false;
  a.next("peer-left", 60000).then(() => {
    left = true;
  });
  for (let i = 0; i < 2000 && !left; i++) {
    for (let k = 0; k < 20; k++) a.say("chat-message", { text: text() });
    const begin = performance.now();
    await a.ask("ping", {});
    times.push(performance.now() - begin);
    await sleep(13); // below the packets in a second that put out a flood
  }
  assert.ok(left, "it was never put out");
  assert.equal(await relay.refused("slow_reader"), 1);
  assert.ok(a.socket.connected);
  times.sort((x, y) => x - y);
  assert.ok(times[Math.floor(times.length * 0.95)] < 200 * slowness);
  wire.socket._socket.destroy();
  a.leave();
  await relay.stop();
});

test("a connection that says nothing recognisable is closed and counted", async () => {
  const relay = await startRelay();
  const socket = net.connect(relay.port, "127.0.0.1");
  socket.on("error", () => {}); // a reset will do
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write(Buffer.from([0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3]));
  await within(3000, closed, "not closed");
  await relay.until(async () => (await relay.refused("unknown_protocol")) === 1, "counted");
  await relay.stop();
});

test("--check-config prints what is in force and opens nothing", async () => {
  const port = await freePort();
  const taken = net.createServer().listen(port, "0.0.0.0");
  await once(taken, "listening");
  const { status, out } = await runRelay(["--check-config", `--port=${port}`], {
    env: { CORS_ORIGINS: "https://a.example", TURN_SECRET: "verysecret", NODE_ENV: "production" },
  });
  taken.close();
  assert.equal(status, 0);
  assert.match(out, new RegExp(`^port=${port}$`, "m"));
  assert.match(out, /^allowed-origins=https:\/\/a\.example$/m);
  assert.ok(!out.includes("verysecret"));
});

test("--help names every option and --version the version", async () => {
  const help = await runRelay(["--help"]);
  assert.equal(help.status, 0);
  for (const option of ["--port", "--listening-port", "--cert", "--shutdown-grace", "--config"])
    assert.ok(help.out.includes(option), option);
  assert.match((await runRelay(["--version"])).out, /^meetopia-relay \d+\.\d+\.\d+$/m);
});
