/**
 * Our TURN server and Debian's coturn, side by side: the same client, the same configuration, the
 * same pinning (the server on one core, the client on another), taking turns window by window.
 *
 *     node bench/turn_against_coturn.mjs [--only=cpu,rtt,allocate,memory] [--windows=9] [--seconds=0.3]
 *                                        [--urgent]
 *
 * --urgent: ahead of whatever else the machine is busy with (chrt -r; needs root).
 *
 * Measures what is there: where one of the two is missing or does not serve TURN it says so and
 * prints the other's figures. bench/README.md says how they are taken. Takes about two minutes.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { coturn, PASSWORD, relay, startTurn, USER } from '../tests/turn_tools/turn_server.mjs';

const flags = Object.fromEntries(
    process.argv.slice(2).map((flag) => flag.replace(/^--/, '').split('=')),
);
const only = (flags.only ?? 'cpu,rtt,allocate,memory').split(',');
const windows = [`--windows=${flags.windows ?? 9}`, `--seconds=${flags.seconds ?? 0.3}`];

const load = join(
    fileURLToPath(new URL('..', import.meta.url)),
    process.env.BUILD ?? 'build',
    'bench/turn_load',
);
const pinned = availableParallelism() > 1;
const urgent = 'urgent' in flags;
const pin = (core) => (pinned ? ['taskset', '-c', String(core)] : []);
const run = promisify(execFile);

const NAMES = { coturn: 'coturn', relay: 'meetopia-relay' };
const kinds = [];

async function start(kind) {
    const server = await startTurn(kind, { wrap: pin(0) });
    /* Now that all its threads are there, and have chosen their own scheduling if they do. */
    if (urgent) await run('chrt', ['-a', '-r', '-p', '1', String(server.pid)]);
    return server;
}

/** Runs `measure` with fresh servers of every kind that is there. */
async function withServers(measure) {
    const servers = await Promise.all(kinds.map(start));
    try {
        return await measure(servers);
    } finally {
        await Promise.all(servers.map((server) => server.stop()));
    }
}

/** One run of turn_load against all servers; the figures by kind. */
async function measure(servers, mode, ...options) {
    const targets = servers.map((s) => `--server=${s.kind}=${s.address}:${s.port}/${s.pid}`);
    const words = [
        ...[...(urgent ? ['chrt', '-r', '1'] : []), ...pin(1), load, mode, ...targets, `--user=${USER}`, `--password=${PASSWORD}`],
        ...windows,
        ...options,
    ];
    const { stdout } = await run(words[0], words.slice(1));
    const found = {};
    for (const line of stdout.trim().split('\n')) {
        const [, kind, ...pairs] = line.split(' ');
        found[kind] = Object.fromEntries(pairs.map((pair) => pair.split('=')));
        for (const key in found[kind]) found[kind][key] = Number(found[kind][key]);
    }
    return found;
}

/* --- the table --- */

const rows = [];
const notes = new Set();

/**
 * @param {string} what
 * @param {string} unit
 * @param {Record<string, object>} found by kind
 * @param {string} key
 * @param {{atMost?: number, atLeast?: number, oursAtMost?: number, digits?: number, best?: string}} goal
 *   `atMost`, `atLeast`: of the ratio ours / coturn's; `best`: the key of the best window's figure
 */
function row(what, unit, found, key, goal = {}) {
    const value = (kind) => found[kind]?.[key];
    const ratio = value('relay') / value('coturn');
    const words = [];
    let met = true;
    const judge = (holds, text) => {
        words.push(text);
        met &&= holds;
    };

    if (goal.atMost !== undefined) judge(ratio <= goal.atMost, `<= ${goal.atMost}`);
    if (goal.atLeast !== undefined) judge(ratio >= goal.atLeast, `>= ${goal.atLeast}`);
    if (goal.oursAtMost !== undefined)
        judge(value('relay') <= goal.oursAtMost, `ours <= ${goal.oursAtMost} ${unit}`);
    rows.push([
        what,
        ...['coturn', 'relay'].map((kind) =>
            value(kind) === undefined ? '-' : `${value(kind).toFixed(goal.digits ?? 2)} ${unit}`,
        ),
        Number.isFinite(ratio) ? ratio.toFixed(2) : '-',
        goal.best && Number.isFinite(ratio)
            ? (found.relay[goal.best] / found.coturn[goal.best]).toFixed(2)
            : '',
        words.join(', '),
        words.length && Number.isFinite(ratio) ? (met ? 'met' : 'MISSED') : '',
    ]);
    for (const [kind, { packets, lost, late }] of Object.entries(found)) {
        const share = (count) => `${((100 * count) / (packets + lost + late)).toFixed(1)} %`;
        if (lost > packets / 1000) notes.add(`${NAMES[kind]} lost ${share(lost)}: ${what}`);
        if (late > packets / 100)
            notes.add(`${share(late)} were not sent in time to ${NAMES[kind]}: ${what}`);
    }
}

function printTable() {
    const head = ['', NAMES.coturn, NAMES.relay, 'ratio', 'best', 'goal', ''];
    const widths = head.map((_, i) => Math.max(...[head, ...rows].map((r) => r[i].length)));
    for (const line of [head, ...rows]) {
        const cells = line.map((cell, i) =>
            i >= 1 && i <= 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]),
        );
        console.log(cells.join('  ').trimEnd());
    }
    for (const note of notes) console.log(`  (${note})`);
}

/* --- what is measured --- */

async function cpu(servers) {
    for (const [mode, words, goal] of [
        ['single', 'one at a time', 0.65],
        ['burst', 'bursts of five', 0.25],
    ]) {
        for (const [rate, judged] of [
            [20000, { atMost: goal, best: 'best_us' }],
            [50000, { best: 'best_us' }],
        ]) {
            for (const size of [160, 1200]) {
                const found = await measure(servers, mode, `--size=${size}`, `--rate=${rate}`);
                row(`CPU per packet, ${words}, ${size} B, ${rate}/s`, 'us', found, 'cpu_us', judged);
            }
        }
    }
}

async function rtt(servers) {
    const found = await measure(servers, 'rtt', '--seconds=1');
    row('round trip, p50', 'us', found, 'p50_us', { digits: 0 });
    row('round trip, p99', 'us', found, 'p99_us', { digits: 0, atMost: 1 });
}

async function allocate(servers) {
    const found = await measure(servers, 'allocate', '--windows=3');
    row('Allocates per second, with their 401', '/s', found, 'per_second', { digits: 0, atLeast: 3 });
    row('Allocates per second, nonce known', '/s', found, 'known_nonce_per_second', {
        digits: 0,
        atLeast: 3,
    });
    for (const [kind, { per_second, client_us }] of Object.entries(found))
        if (per_second * client_us > 0.8e6) notes.add(`Allocates: ${NAMES[kind]} was quicker than the client`);
    row('CPU per Allocate, with its 401', 'us', found, 'cpu_us', { digits: 1 });
    row('CPU per Allocate, nonce known', 'us', found, 'known_nonce_cpu_us', { digits: 1 });
}

async function memory(servers) {
    const found = await measure(servers, 'memory');
    row('memory per allocation with a channel', 'B', found, 'bytes', {
        digits: 0,
        atMost: 0.1,
        oursAtMost: 1500,
    });
    row('memory per allocation without', 'B', found, 'without_channel', { digits: 0 });
}

/** Does it start, and serve TURN? A word about why not. */
async function tryOut(kind, path) {
    const missing = { coturn: 'install Debian\'s package "coturn"', relay: 'make it first' };
    if (!path) return console.log(`${NAMES[kind]} is not there: ${missing[kind]}`);
    try {
        const server = await start(kind);
        try {
            await measure([server], 'allocate', '--windows=1');
            kinds.push(kind);
        } finally {
            await server.stop();
        }
    } catch (error) {
        console.log(`${NAMES[kind]} serves no TURN: ${(error.stderr || error.message).trim()}`);
    }
}

const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
console.log(`machine: ${availableParallelism()} cores of ${cpus()[0].model.trim()}, Linux ${kernel}`);
console.log(`load before: ${loadavg().map((l) => l.toFixed(2)).join(' ')}`);
if (!pinned) console.log('one core: client and server share it');
const begin = Date.now();
await tryOut('coturn', coturn);
await tryOut('relay', relay);
if (!kinds.length) process.exit(1);

/* Fresh servers for each: what an earlier client left behind costs the next one something. */
for (const [name, measureIt] of Object.entries({ cpu, rtt, allocate, memory }))
    if (only.includes(name)) await withServers(measureIt);
printTable();
console.log(`took ${((Date.now() - begin) / 1000).toFixed(0)} s`);
