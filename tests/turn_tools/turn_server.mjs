// A TURN server of a test's own, ours or Debian's coturn, from the same configuration: both read
// coturn's names. On loopback and free ports, with a folder of its own, ended by its pid.
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const ours = process.env.MEETOPIA_RELAY ?? join(root, process.env.BUILD ?? 'build', 'meetopia-relay');

export const REALM = 'turn.example';
export const USER = 'user';
export const PASSWORD = 'password';
export const SECRET = 'a secret of many letters';

const running = new Set();
process.on('exit', () => {
    for (const { child, folder } of running) {
        child.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
    }
});

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Where coturn's server is; undefined: nowhere. */
export const coturn = ['/usr/bin/turnserver', '/usr/sbin/turnserver', '/usr/local/bin/turnserver'].find(
    (path) => existsSync(path),
);
export const relay = existsSync(ours) ? ours : undefined;

/** Which server the tests of this folder are about. */
export const underTest = process.env.TURN_UNDER_TEST ?? 'relay';

/** A port that is free for UDP and TCP, and the next one as well, at this moment. */
async function freePort(address) {
    for (;;) {
        const port = 10000 + 2 * Math.floor(Math.random() * 5000);
        const free = await Promise.all([port, port + 1].map((one) => isFree(address, one)));
        if (free.every(Boolean)) return port;
    }
}

async function isFree(address, port) {
    const tcp = createServer().listen(port, address);
    const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    try {
        await once(tcp, 'listening');
        udp.bind(port, address);
        await once(udp, 'listening');
        return true;
    } catch {
        return false;
    } finally {
        tcp.close();
        udp.close();
    }
}

/** Asks a Binding request until there is an answer, 10 s at most. */
export async function answers(address, port, ms = 10000) {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const request = Buffer.from('000100002112a442' + '6d656574'.repeat(3), 'hex');
    const end = Date.now() + ms;
    let answered = false;

    socket.on('message', () => (answered = true));
    socket.on('error', () => {});
    while (!answered && Date.now() < end) {
        socket.send(request, port, address, () => {});
        await sleep(50);
    }
    socket.close();
    return answered;
}

function makeCertificate(folder) {
    execFileSync(
        'openssl',
        [
            ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
            ...['-keyout', 'key.pem', '-out', 'cert.pem', '-days', '30', '-subj', '/CN=localhost'],
        ],
        { cwd: folder, stdio: 'ignore' },
    );
}

/* What only one of the two wants to be told. */
const own = {
    coturn: ({ folder }) => [
        'no-cli',
        'no-stdout-log',
        'simple-log',
        `log-file=${join(folder, 'log')}`,
        `userdb=${join(folder, 'db')}`,
        `pidfile=${join(folder, 'pid')}`,
        'relay-threads=1',
    ],
    relay: ({ folder, port }) => [
        `port=${port}`,
        'workers=1',
        'allow-loopback-peers',
        'allowed-peer-ip=127.0.0.0-127.255.255.255',
        'allowed-peer-ip=::1',
        'max-connections-per-ip=0',
        `log-file=${join(folder, 'log')}`,
        'shutdown-grace=1',
    ],
};

/**
 * @param {'coturn' | 'relay'} kind
 * @param {{addresses?: string[], auth?: string[], lines?: string[], tls?: boolean, wrap?: string[]}}
 *   options `auth`: who may use it; `lines`: further lines of the configuration; `wrap`: a command
 *   that runs it
 */
export async function startTurn(
    kind,
    {
        addresses = ['127.0.0.1'],
        auth = ['lt-cred-mech', `user=${USER}:${PASSWORD}`],
        lines = [],
        tls = false,
        wrap = [],
    } = {},
) {
    const folder = await mkdtemp(join(tmpdir(), 'meetopia-turn-'));
    const port = await freePort(addresses[0]);
    const tlsPort = tls ? await freePort(addresses[0]) : undefined;
    const configuration = join(folder, 'turnserver.conf');

    if (tls) makeCertificate(folder);
    await writeFile(
        configuration,
        [
            ...addresses.flatMap((address) => [`listening-ip=${address}`, `relay-ip=${address}`]),
            `listening-port=${port}`,
            ...(tls
                ? [
                      `tls-listening-port=${tlsPort}`,
                      `cert=${join(folder, 'cert.pem')}`,
                      `pkey=${join(folder, 'key.pem')}`,
                  ]
                : ['no-tls', 'no-dtls']),
            ...['min-port=20000', 'max-port=65535', `realm=${REALM}`, 'allow-loopback-peers'],
            ...auth,
            ...own[kind]({ folder, port }),
            ...lines,
            '',
        ].join('\n'),
    );
    const program = kind === 'coturn' ? coturn : ours;
    const words = [
        ...wrap,
        program,
        ...(kind === 'coturn' ? ['-c', configuration] : [`--config=${configuration}`]),
    ];
    const child = spawn(words[0], words.slice(1), {
        cwd: folder,
        env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS },
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (chunk) => (said = (said + chunk).slice(-10000)));
    const entry = { child, folder };
    running.add(entry);
    const exited = once(child, 'exit').then(([code, signal]) => code ?? signal);
    const log = () => readFile(join(folder, 'log'), 'utf8').catch(() => '');

    async function stop() {
        child.kill('SIGTERM');
        const late = setTimeout(() => child.kill('SIGKILL'), 5000);
        const status = await exited;
        clearTimeout(late);
        running.delete(entry);
        await rm(folder, { recursive: true, force: true });
        /* coturn ends by the signal. */
        if (kind === 'relay' && status !== 0) throw new Error(`it ended with ${status}: ${said}`);
    }

    const ready = await Promise.race([answers(addresses[0], port), exited]);
    if (ready !== true) {
        const words = `${said}${await log()}`;
        await stop().catch(() => {});
        throw new Error(`${kind} does not answer at ${addresses[0]}:${port}: ${words}`);
    }
    return { kind, port, tlsPort, pid: child.pid, address: addresses[0], addresses, folder, stop, log };
}
