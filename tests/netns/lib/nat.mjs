// What stands between a home network and the Internet: NATs of several kinds, and firewalls that let
// little through. Each home is behind a router of its own; `proveNat` says what a NAT really does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { SERVER } from './scene.mjs';

const PROBE = fileURLToPath(new URL('nat_probe.mjs', import.meta.url));

/* Mapping by what comes from inside alone and filtering by address and port is what netfilter does by
 * itself where it can keep the port; with random ports every destination has a mapping of its own. */
const MASQUERADE = {
    portRestricted: 'masquerade',
    symmetric: 'masquerade random,fully-random',
};

/* What comes unasked is dropped: if the router took it for itself, netfilter would remember it, and give
 * the mapping another port when the client asks there later. */
const natTable = (rule) => `table ip nat {
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "wan" ${rule}
    }
    chain input {
        type filter hook input priority filter;
        iifname "wan" ct state new drop
    }
}`;

/* What a firewall lets out of the home network, as the rules of a chain whose policy is to drop. Answers
 * come back; DNS is not needed. */
const firewall = (...allowed) => `table inet firewall {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related oifname "lan" accept
        ${allowed.join('\n        ')}
    }
}`;

/* On a connection's first data from inside the first byte must be that of a TLS record (22, handshake).
 * The mark says that it was. */
const TLS_ALONE = [
    'iifname "lan" tcp dport 443 ct mark 1 accept',
    'iifname "lan" tcp dport 443 @ih,0,8 0x16 ct mark set 1 accept',
    'iifname "lan" tcp dport 443 tcp flags & (psh | syn) != psh accept',
];

export const FIREWALLS = {
    noUdp: firewall('meta l4proto tcp accept'),
    only443: firewall('iifname "lan" tcp dport 443 accept'),
    onlyTls: firewall(...TLS_ALONE),
};

let homes = 0;

/**
 * A home network with one machine at 192.168.7.2, whose router has one address outside.
 * @param {import('./scene.mjs').Scene} scene
 * @param {keyof MASQUERADE} nat
 * @param {string} [rules] of nft, in the router: FIREWALLS
 * @returns {{home: object, router: object}} namespaces; the router's devices are `lan` and `wan`
 */
export function homeBehind(scene, nat, rules) {
    const n = 200 + homes++;
    const router = scene.network.namespace(`router${n}`);
    const home = scene.emptyClient(`home${n}`);

    router.sysctl('net.ipv4.ip_forward', 1);
    scene.network.link([home, 'eth0', '192.168.7.2/24'], [router, 'lan', '192.168.7.1/24']);
    scene.network.link(
        [router, 'wan', `10.77.${n}.2/24`],
        [scene.server, `isp${n}`, `10.77.${n}.1/24`],
    );
    home.ip('route add default via 192.168.7.1');
    router.ip(`route add default via 10.77.${n}.1`);
    router.nft(natTable(MASQUERADE[nat]));
    if (rules) router.nft(rules);
    return { home, router, isp: `isp${n}`, outside: `10.77.${n}.2` };
}

/** One of the two ends of nat_probe.mjs, inside a namespace. */
async function startProbe(namespace, ...words) {
    const [command, args] = namespace.inside(process.execPath, PROBE, ...words);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
    return { child, said: line };
}

/**
 * What the router in front of `home` does, seen from two addresses of the server's namespace, where
 * nothing may listen on 443 and 80 yet.
 * @returns {Promise<{udp: boolean, outside: string, sameMapping: boolean, hears: string[],
 *     tcp: {tls443: boolean, plain443: boolean, plain80: boolean}}>} `sameMapping`: one outer port for
 *     every destination; `hears`: answers from where nothing had been sent to, 'port' (another of the
 *     same address), 'address'; `tcp`: what gets an answer
 */
export async function proveNat(scene, home) {
    const second = '10.77.0.2';
    try {
        scene.server.ip(`addr add ${second}/32 dev lo`);
    } catch {
        /* it is there since the last time */
    }
    const server = await startProbe(scene.server, 'server', SERVER, second);
    try {
        const { child, said } = await startProbe(home, 'client', SERVER, second);
        await once(child, 'exit');
        return JSON.parse(said);
    } finally {
        server.child.kill('SIGTERM');
    }
}
