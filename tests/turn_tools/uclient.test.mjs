// coturn's own client (Debian's turnutils_uclient) against our server: every transport, both ways of
// sending, both families, TCP relays and mobility. Nothing may be lost.
//
// TURN_UNDER_TEST=coturn runs the same against coturn's server: what the client does by itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import { PASSWORD, SECRET, startTurn, underTest, USER } from './turn_server.mjs';

const UCLIENT = '/usr/bin/turnutils_uclient';
const skip = existsSync(UCLIENT) ? false : 'no turnutils_uclient (Debian package coturn)';

const cases = []; /* runs of the client */
let server, secretServer, peer;

before(async () => {
    if (skip) return;
    [server, secretServer, peer] = await Promise.all([
        startTurn(underTest, { addresses: ['127.0.0.1', '::1'], tls: true, lines: ['mobility'] }),
        startTurn(underTest, { auth: ['use-auth-secret', `static-auth-secret=${SECRET}`] }),
        startPeer(),
    ]);
    for (const one of cases) (one.seen = start(one.run)).catch(() => {});
});
after(() => Promise.all([server, secretServer, peer].map((one) => one?.stop())));

/** An echo server for the client to talk to when it does not talk to itself, on two ports. */
async function startPeer() {
    const open = async (port) => {
        const socket = createSocket('udp4');
        socket.on('message', (data, from) => socket.send(data, from.port, from.address));
        socket.bind(port, '127.0.0.1');
        await once(socket, 'listening');
        return socket;
    };
    for (;;) {
        const first = await open(0);
        const { port } = first.address();
        try {
            const second = await open(port + 1); /* the client sends its “RTCP” there */
            return { port, stop: () => [first, second].map((socket) => socket.close()) };
        } catch {
            first.close();
        }
    }
}

/** Runs the client to its end, 40 s at most; what it counted. */
function uclient(...words) {
    return new Promise((resolve) => {
        execFile(UCLIENT, words, { timeout: 40000 }, (error, stdout, stderr) => {
            const said = stdout + stderr;
            const counts = /tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n/.exec(said);
            resolve({
                status: error ? (error.code ?? error.signal) : 0,
                sent: Number(counts?.[1] ?? 0),
                received: Number(counts?.[2] ?? 0),
                said,
            });
        });
    });
}

const user = ['-u', USER, '-w', PASSWORD];
const toItself = ['-y', '-m', '2', '-n', '10'];
/* One message each 100 ms, and few: the client takes what one read gives it for one message, and of two
 * that come in one TLS record it complains about the length, or sees the first alone. */
const rarely = ['-z', '100', '-n', '5'];

function assertNothingLost(seen) {
    const tail = seen.said.slice(-2000);
    assert.equal(seen.status, 0, tail);
    assert.ok(seen.sent >= 10, `sent ${seen.sent}: ${tail}`);
    assert.equal(seen.received, seen.sent, tail);
    assert.match(seen.said, /Total lost packets 0 \(0\.0+%\)/);
}

/** The client talks to itself through the server, its clients in pairs. */
const toPort = (port, words) => uclient(...user, ...toItself, '-p', String(port), ...words);
const plain = (...words) => () => toPort(server.port, words);
/* Slowly; and again when the machine was so busy that messages came together all the same. That it was not
 * the server who lost them is asked of the server, at the end. */
const unread = ({ said, sent, received }) => /wrong len/.test(said) || received !== sent;
const slowly = (port, words, failed = unread) => async () => {
    const run = () => toPort(port(), [...rarely, ...words]);
    let seen = await run();
    for (let more = 7; more > 0 && failed(seen); more--) seen = await run();
    return seen;
};
const secure = (...words) => slowly(() => server.tlsPort, ['-S', ...words]);

/* Each takes some seconds in which it does next to nothing: several run at one time, in order. */
const AT_ONE_TIME = 8;
const waiting = [];
let busy = 0;

function start(run) {
    return new Promise((resolve, reject) => {
        waiting.push(() => run().then(resolve, reject));
        while (busy < AT_ONE_TIME && waiting.length) startNext();
    });
}
function startNext() {
    busy++;
    waiting
        .shift()()
        .finally(() => {
            busy--;
            if (waiting.length) startNext();
        });
}

/** A run of the client, and what is to be seen in it. */
function uses(name, run, check = assertNothingLost) {
    const one = { run };
    cases.push(one);
    test(name, { skip }, async () => check(await one.seen));
}

function assertNoAllocation(seen) {
    assert.notEqual(seen.status, 0);
    assert.match(seen.said, /Cannot complete Allocation/);
    assert.equal(seen.received, 0);
}

const V4 = '127.0.0.1';
const V6 = '::1';

uses('over UDP with channels', plain(V4));
uses('over UDP with Send and Data', plain('-s', V4));
uses('over UDP with packets of 1200 bytes', plain('-l', '1200', V4));
uses('over UDP with channels that are padded all the same', plain('-D', V4));
uses('over UDP with an odd length and Send', plain('-s', '-l', '143', V4));
uses('over UDP with DONT-FRAGMENT', plain('-g', '-s', V4));
uses('over UDP without an RTCP pair', plain('-c', V4));
uses('over UDP with requests more than needed', plain('-G', V4));
uses('over UDP with channel numbers out of range among them', plain('-N', V4));
uses('over UDP with a peer that echoes', () => {
    const words = [...user, '-m', '2', '-n', '10', '-e', V4, '-r', String(peer.port)];
    return uclient(...words, '-p', String(server.port), V4);
});
uses('with time-limited credentials', () => {
    const words = ['-u', 'somebody', '-W', SECRET, ...toItself];
    return uclient(...words, '-p', String(secretServer.port), V4);
});
uses('over TCP with channels', plain('-t', V4));
uses('over TCP with Send and Data', plain('-t', '-s', V4));
uses('over TCP with packets of 1199 bytes', plain('-t', '-l', '1199', V4));
uses('over TLS with channels', secure('-t', V4));
uses('over TLS with Send and Data', secure('-t', '-s', V4));
uses('over TLS on the plain port', slowly(() => server.port, ['-t', '-S', V4]));
uses('over DTLS with channels', secure(V4));
uses('over DTLS with Send and Data', secure('-s', V4));
uses('TCP relayed (RFC 6062)', plain('-T', ...rarely, V4));
uses('TCP relayed, the client behind TLS', secure('-T', V4));
uses('TCP relayed from a peer that connects', plain('-T', '-P', ...rarely, V4), (seen) => {
    /* What this client's peers receive it does not count: half is everything. */
    assert.equal(seen.status, 0, seen.said);
    assert.ok(seen.sent >= 10, seen.said);
    assert.equal(seen.received, seen.sent / 2, seen.said);
});
uses('moving to another socket (RFC 8016)', plain('-M', V4));
/* In one of four moves this client frees its old session twice: then it crashes, or does not. */
uses(
    'moving to another socket over DTLS',
    slowly(() => server.tlsPort, ['-S', '-M', '-c', V4], ({ status }) => status !== 0),
);
uses('relayed by IPv6 for a client on IPv4', plain('-x', V4));
uses('relayed by IPv6 for a client on IPv6', plain('-x', V6));
uses('relayed by IPv4 for a client on IPv6', plain('-X', V6));
/* Both families in one allocation (-Z) this client asks for by a number that is not RFC 8656's. */
uses('over TCP to IPv6', plain('-t', '-x', V6));

uses(
    'a wrong password gets no allocation',
    () => uclient('-u', USER, '-w', 'wrong', ...toItself, '-p', String(server.port), V4),
    assertNoAllocation,
);
uses(
    'credentials of another secret get no allocation',
    () => {
        const words = ['-u', 'somebody', '-W', 'another', ...toItself];
        return uclient(...words, '-p', String(secretServer.port), V4);
    },
    assertNoAllocation,
);

test('the server has dropped nothing', { skip: skip || underTest !== 'relay' }, async () => {
    await Promise.allSettled(cases.map(({ seen }) => seen));
    const numbers = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    const dropped = numbers.match(/^(turn_(relay|dtls)_dropped|meetopia_leg_packets_dropped)_total.*$/gm);
    assert.ok(dropped.length >= 6, numbers);
    for (const line of dropped) assert.match(line, / 0$/);
});
