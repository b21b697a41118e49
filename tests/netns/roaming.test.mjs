// Clients whose address changes under way, and clients that have only IPv6.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { sleep } from '../e2e/lib/person.mjs';
import { unavailable } from './lib/network.mjs';
import { assertPlays, mediaStats, meet, untilFramesGrow, watchQuietly } from './lib/playing.mjs';
import { Scene, SERVER, SERVER_V6, UDP_PORT } from './lib/scene.mjs';

const skip = unavailable();
let scene, relay, origins, stays, people;

before(async () => {
    if (skip) return;
    scene = new Scene();
    relay = await scene.relay();
    origins = [relay.url, relay.urlV6];
    stays = await scene.chromium(scene.client('stays'), origins);
});
afterEach(() => Promise.all(people?.splice(0).map((person) => person.leave()) ?? []));
after(() => scene?.close());

async function meetFrom(client) {
    const browser = await scene.chromium(client, origins);
    people = await Promise.all([browser.person(relay.url), stays.person(relay.url)]);
    await meet(...people);
}

/** Both go on as before, on the PeerConnection that they had. */
async function goOn(connections) {
    await watchQuietly(people, 3, assertPlays);
    for (const person of people) {
        assert.equal((await mediaStats(person)).connections, connections);
        assert.deepEqual(person.errors, []);
    }
}

/* The router has three addresses: TCP leaves by the second for as long as it lives, UDP by the first
 * that there is. When that goes, so do its mappings. */
function natRouter() {
    const router = scene.network.namespace('router');
    const home = scene.emptyClient('home');

    router.sysctl('net.ipv4.ip_forward', 1);
    router.sysctl('net.ipv4.conf.all.promote_secondaries', 1);
    scene.network.link([home, 'eth0', '192.168.7.2/24'], [router, 'lan', '192.168.7.1/24']);
    scene.network.link(
        [router, 'wan', '10.77.100.2/24', '10.77.100.4/24', '10.77.100.3/24'],
        [scene.server, 'isp', '10.77.100.1/24'],
    );
    home.ip('route add default via 192.168.7.1');
    router.ip('route add default via 10.77.100.1');
    router.nft(`table ip nat {
        chain postrouting {
            type nat hook postrouting priority srcnat;
            oifname "wan" meta l4proto tcp snat to 10.77.100.3
            oifname "wan" meta l4proto udp masquerade fully-random
        }
    }`);
    return { home, router };
}

test('the relay follows a client whose NAT gives it another address', { skip }, async () => {
    const { home, router } = natRouter();
    await meetFrom(home);

    router.ip('addr del 10.77.100.2/24 dev wan');
    await sleep(200); /* what is in buffers may still be played */
    const took = await Promise.all(people.map((person) => untilFramesGrow(person, 8000)));
    console.log(`# frames came again after ${took} ms`);
    await goOn(1);
});

/* Signaling has a cable of its own that carries no media over UDP. */
function twoNetworks() {
    const phone = scene.emptyClient('phone');
    const wire = (device, n) => {
        scene.network.link(
            [phone, device, `10.77.${n}.2/24`],
            [scene.server, `phone-${n}`, `10.77.${n}.1/24`],
        );
    };
    wire('office', 110);
    wire('wifi', 111);
    phone.nft(`table inet office {
        chain out {
            type filter hook output priority 0;
            ip saddr 10.77.110.2 udp dport ${UDP_PORT} drop
            oifname "office" udp dport ${UDP_PORT} drop
        }
    }`);
    /* By source address: the browser's sockets are bound to one or the other. */
    phone.ip(`route add ${SERVER} via 10.77.110.1`);
    phone.ip(`rule add ipproto udp lookup 111`);
    phone.ip(`route add ${SERVER} via 10.77.111.1 table 111`);
    return { phone, wire };
}

test('a client that moves from one network to another keeps its call', { skip }, async () => {
    const { phone, wire } = twoNetworks();
    await meetFrom(phone);
    assert.equal((await mediaStats(people[0])).localAddress, '10.77.111.2');

    phone.ip('link del wifi');
    wire('mobile', 112);
    phone.ip(`route add ${SERVER} via 10.77.112.1 table 111`);
    await sleep(200);
    const took = await Promise.all(people.map((person) => untilFramesGrow(person, 20000)));
    console.log(`# frames came again after ${took} ms`);
    /* By the new network, or over TCP by the cable: whichever the browser finds first. */
    const { localAddress, localPath } = await mediaStats(people[0]);
    assert.equal(localAddress, localPath === 'udp' ? '10.77.112.2' : '10.77.110.2', localPath);
    await goOn(1);
});

test('a client that has only IPv6 meets one that has only IPv4', { skip }, async () => {
    const modern = await scene.chromium(scene.client('modern', { v4: false, v6: true }), origins);
    people = [await modern.person(relay.urlV6), await stays.person(relay.url)];
    await meet(...people);
    const [six, four] = await Promise.all(people.map(mediaStats));
    assert.equal(six.remoteAddress, SERVER_V6);
    assert.equal(four.remoteAddress, SERVER);
    await goOn(1);
});
