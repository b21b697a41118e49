// What stands between a client and the relay, and the path that its media finds.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { until } from '../e2e/lib/person.mjs';
import { FIREWALLS, homeBehind, proveNat } from './lib/nat.mjs';
import { unavailable } from './lib/network.mjs';
import { mediaStats } from './lib/playing.mjs';
import { Scene, SERVER_V6, UDP_PORT } from './lib/scene.mjs';

const skip = unavailable();
const PATIENCE = 3000; // from the click to the first frame

/* Chromium takes no candidate on port 443 of a private address. */
const PUBLIC = '203.0.113.1';
/* Clients are told TURN over TLS by the name in the certificate alone. */
const NAME = 'relay.example';
const PAGE = `https://${NAME}`;
const homes = {};
let scene, relay, abroad, outside, onlySix, people;

before(async () => {
    if (skip) return;
    scene = new Scene();
    homes.portRestricted = homeBehind(scene, 'portRestricted');
    homes.symmetric = homeBehind(scene, 'symmetric');
    for (const [name, rules] of Object.entries(FIREWALLS))
        homes[name] = homeBehind(scene, 'portRestricted', rules);
    abroad = scene.client('outside');
    onlySix = scene.client('six', { v4: false, v6: true });
    const clients = [abroad, onlySix, ...Object.values(homes).map(({ home }) => home)];
    await Promise.all(
        clients.map((client) => scene.nameServer(client, NAME, PUBLIC, SERVER_V6)),
    );
});
afterEach(() => Promise.all(people?.splice(0).map((person) => person.leave()) ?? []));
after(() => scene?.close());

/* --- the networks are what they are called --- */

const EVERYTHING = { tls443: true, plain443: true, plain80: true };

function proves(title, name, wanted) {
    test(title, { skip }, async () => {
        const { home, outside } = homes[name];
        const { sameMapping, hears, ...seen } = await proveNat(scene, home);
        assert.deepEqual(hears, []); /* filtering by address and port, all of them */
        assert.deepEqual(
            seen.udp ? { ...seen, sameMapping } : seen,
            seen.udp ? { outside, ...wanted } : wanted,
        );
    });
}
proves('the port-restricted NAT has one mapping for all and hears whom it asked', 'portRestricted', {
    udp: true,
    sameMapping: true,
    tcp: EVERYTHING,
});
proves('the symmetric NAT has a mapping for each destination', 'symmetric', {
    udp: true,
    sameMapping: false,
    tcp: EVERYTHING,
});
proves('the first firewall drops UDP', 'noUdp', { udp: false, tcp: EVERYTHING });
proves('the second drops everything but TCP 443', 'only443', {
    udp: false,
    tcp: { ...EVERYTHING, plain80: false },
});
proves('the third drops everything but TLS on 443', 'onlyTls', {
    udp: false,
    tcp: { tls443: true, plain443: false, plain80: false },
});

/* --- the paths of media --- */

test('a relay and somebody outside', { skip }, async () => {
    const folder = await scene.folder();
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
    execFileSync(
        'openssl',
        [
            ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
            ...['-keyout', key, '-out', cert, '-days', '30', '-subj', `/CN=${NAME}`],
        ],
        { stdio: 'ignore' },
    );
    scene.server.ip(`addr add ${PUBLIC}/32 dev lo`);
    relay = await scene.relay({
        port: 443,
        external: [PUBLIC, SERVER_V6],
        options: [
            ...[`--cert=${cert}`, `--pkey=${key}`, `--server-name=${NAME}`],
            ...['--use-auth-secret', '--static-auth-secret=anything', '--relay-ports=none'],
        ],
    });
    outside = await scene.chromium(abroad);
});

const sees = async (person) => (await person.stats())?.framesDecoded > 0;

/** Milliseconds from the click until both see the other. */
async function timeToFrames() {
    const begin = Date.now();
    await Promise.all(people.map((person) => person.start()));
    await Promise.all(
        people.map((person) => until(() => sees(person), 'no frame at all', 15000)),
    );
    return Date.now() - begin;
}

/**
 * One inside and one outside meet and see each other soon. On a machine that is busy with other
 * things they try again, three times in all.
 */
async function meet(browser, options) {
    for (let tries = 1; ; tries++) {
        people = await Promise.all([browser.person(PAGE, options), outside.person(PAGE)]);
        const took = await timeToFrames();
        console.log(`# first frames after ${took} ms`);
        const load = loadavg()[0] / availableParallelism();
        if (took <= PATIENCE || load < 1.5 || tries === 3) {
            assert.ok(took <= PATIENCE, `first frames after ${took} ms (load ${load} a core)`);
            return;
        }
        await Promise.all(people.splice(0).map((person) => person.leave()));
    }
}

function meets(title, namespace, path, options) {
    test(title, { skip }, async () => {
        const browser = await scene.chromium(namespace());
        await meet(browser, await options?.());
        const current = async () => (await mediaStats(people[0])).localPath;
        /* The first path that answers need not be the best one. */
        await until(async () => (await current()) === path, `never ${path}`, 5000).catch(async (e) => {
            throw new Error(`${e.message} but ${await current()}`);
        });
        for (const person of people) assert.deepEqual(person.errors, []);
        await browser.stop();
    });
}
const home = (name) => () => homes[name].home;
const six = () => onlySix;

meets('behind a port-restricted NAT media goes by UDP', home('portRestricted'), 'udp');
meets('behind a symmetric NAT media goes by UDP', home('symmetric'), 'udp');
meets('with nothing but IPv6 media goes by UDP', six, 'udp');
meets('where UDP is dropped media goes by ICE over TCP', home('noUdp'), 'ice-tcp');
meets('where everything but TCP 443 is dropped it does so there', home('only443'), 'ice-tcp');
meets('where nothing but TLS passes it goes by TURN', home('onlyTls'), 'turn-tls');

/* --- by TURN alone: with relayed candidates and nothing else --- */

/* What the page is told, and TURN by UDP: of that nobody is told where media has the same port. */
const relayed = (servers) => async () => {
    const page = await scene.server.run('curl', '-sSk', `https://${PUBLIC}/api/v1/ice-servers`);
    const [turn] = JSON.parse(page).iceServers;
    turn.urls.unshift(`turn:${NAME}:${UDP_PORT}?transport=udp`);
    return { configuration: { iceTransportPolicy: 'relay', iceServers: [turn] }, servers };
};

meets('relayed media goes by UDP if it can', home('portRestricted'), 'turn-udp', relayed());
meets('so it does behind a symmetric NAT', home('symmetric'), 'turn-udp', relayed());
meets('and by IPv6', six, 'turn-udp', relayed());
meets('relayed media goes by TCP where UDP is dropped', home('noUdp'), 'turn-tcp', relayed('^turn:'));
meets('and where there is nothing but 443', home('only443'), 'turn-tcp', relayed('^turn:'));
meets('relayed media goes by TLS where that is all there is', home('onlyTls'), 'turn-tls', relayed());
meets('and wherever it is asked to', home('symmetric'), 'turn-tls', relayed('^turns:'));
