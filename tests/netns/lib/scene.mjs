// A server and clients, each in a network of its own. The server is at 10.77.0.1 and fd77::1,
// whatever cable leads there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { launchChromium } from '../../e2e/lib/chromium.mjs';
import { Network } from './network.mjs';

export const SERVER = '10.77.0.1';
export const SERVER_V6 = 'fd77::1';
const PORT = 3003;
export const UDP_PORT = 3478;

const root = fileURLToPath(new URL('../../..', import.meta.url));
const build = join(root, process.env.BUILD ?? 'build');
const NAME_SERVER = fileURLToPath(new URL('name_server.mjs', import.meta.url));
const program = process.env.MEETOPIA_RELAY ?? join(build, 'meetopia-relay');

/** Starts a program and waits until it says something that matches; gives {child, exited, said}. */
async function startProgram([command, args], pattern, cwd) {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    let said = '';
    await new Promise((resolve, reject) => {
        const read = (chunk) => {
            said += chunk;
            if (pattern.test(said)) resolve();
        };
        child.stdout.setEncoding('utf8').on('data', read);
        child.stderr.setEncoding('utf8').on('data', read);
        exited.then(([code]) => reject(new Error(`${command} ended with ${code}: ${said}`)));
    });
    return { child, exited };
}

/* Every PeerConnection gets these settings on top of its own; of its ICE servers those are left whose
 * URI matches `servers`. Runs in the page. */
function overrideConfiguration({ servers, ...settings }) {
    const Native = globalThis.RTCPeerConnection;
    const pattern = new RegExp(servers ?? '');
    const override = (configuration) => {
        const all = { ...configuration, ...settings };
        const iceServers = (all.iceServers ?? [])
            .map((one) => ({ ...one, urls: [one.urls].flat().filter((url) => pattern.test(url)) }))
            .filter(({ urls }) => urls.length);
        return { ...all, iceServers };
    };
    globalThis.RTCPeerConnection = class extends Native {
        constructor(configuration) {
            super(override(configuration));
        }

        setConfiguration(configuration) {
            super.setConfiguration(override(configuration));
        }
    };
}

/* The tests are about the network: a small picture leaves the processor to several browsers. Runs
 * in the page. */
function smallCamera() {
    const { mediaDevices } = navigator;
    const open = mediaDevices?.getUserMedia.bind(mediaDevices);
    if (!open) return;
    mediaDevices.getUserMedia = ({ audio, video }) =>
        open({ audio, video: video && { width: 320, height: 240, frameRate: 15 } });
}

export class Scene {
    #closers = [];
    #children = [];
    #folders = [];
    #clients = 0;

    constructor() {
        /* When the test is ended from outside there is no time for close(). */
        process.on('exit', () => {
            for (const child of this.#children) child.kill('SIGKILL');
            for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
        });
        this.network = new Network();
        this.server = this.network.namespace('server');
        this.server.ip(`addr add ${SERVER}/32 dev lo`);
        this.server.ip(`addr add ${SERVER_V6}/128 dev lo nodad`);
        this.server.sysctl('net.ipv4.ip_forward', 1);
        this.server.sysctl('net.ipv6.conf.all.forwarding', 1);
    }

    async folder() {
        const made = await mkdtemp(join(tmpdir(), 'meetopia-netns-'));
        this.#folders.push(made);
        this.#closers.push(() => rm(made, { recursive: true, force: true }));
        return made;
    }

    /**
     * A relay. `external`: where clients are told to send media to; `options`: further ones of its
     * command line.
     */
    async relay({
        port = PORT,
        udpPort = UDP_PORT,
        external = [SERVER, SERVER_V6],
        options = [],
    } = {}) {
        const folder = await this.folder();
        const { child, exited } = await startProgram(
            this.server.inside(
                program,
                `--port=${port}`,
                `--listening-port=${udpPort}`,
                ...external.map((address) => `--external-ip=${address}`),
                `--web-root=${join(root, 'build/web')}`,
                `--log-file=${join(folder, 'log')}`,
                '--log-level=debug',
                '--max-connections-per-ip=0',
                '--shutdown-grace=1',
                ...options,
            ),
            /media\s+UDP \d+/,
            folder,
        );
        this.#children.push(child);
        this.#closers.push(async () => {
            child.kill('SIGTERM');
            const [code, signal] = await exited;
            if (code !== 0) throw new Error(`the relay ended with ${code ?? signal}`);
        });
        const page = () => this.server.run('curl', '-sS', `http://${SERVER}:${port}/metrics`);
        return {
            url: `http://${SERVER}:${port}`,
            urlV6: `http://[${SERVER_V6}]:${port}`,
            /** One line of /metrics, with its labels as written there; 0 when there is none. */
            async metric(name) {
                const line = (await page()).split('\n').find((l) => l.startsWith(`${name} `));
                return line ? Number(line.slice(name.length + 1)) : 0;
            },
        };
    }

    /** A tool of tests/tools, in the server's network. */
    tool(name, ...args) {
        return this.#run(this.server.inside(join(build, 'tests/tools', name), ...args));
    }

    /** Makes the name known inside, and no other. Browsers must be started later. */
    nameServer(namespace, name, ...addresses) {
        namespace.asksItself();
        return this.#run(namespace.inside(process.execPath, NAME_SERVER, name, ...addresses));
    }

    async #run(command) {
        const { child, exited } = await startProgram(command, /ready/);
        this.#children.push(child);
        this.#closers.push(async () => {
            child.kill('SIGTERM');
            await exited;
        });
    }

    /** A network for a client, without any cable. */
    emptyClient(name) {
        this.#clients++;
        const namespace = this.network.namespace(name);
        namespace.number = this.#clients;
        return namespace;
    }

    /**
     * The same with a cable to the server and every route through it.
     * @param {{v4?: boolean, v6?: boolean}} families
     */
    client(name, { v4 = true, v6 = false } = {}) {
        const namespace = this.emptyClient(name);
        const n = namespace.number;
        const ours = [...(v4 ? [`10.77.${n}.2/24`] : []), ...(v6 ? [`fd77:${n}::2/64`] : [])];
        const theirs = [...(v4 ? [`10.77.${n}.1/24`] : []), ...(v6 ? [`fd77:${n}::1/64`] : [])];

        this.network.link([namespace, 'eth0', ...ours], [this.server, `client${n}`, ...theirs]);
        if (v4) namespace.ip(`route add default via 10.77.${n}.1`);
        if (v6) namespace.ip(`-6 route add default via fd77:${n}::1`);
        return namespace;
    }

    /**
     * A browser inside. `origins`: addresses of pages that may use the camera without https. A person's
     * `configuration` is laid over that of every PeerConnection, and `servers` is a pattern for its ICE
     * servers; `before` runs before the page's code.
     */
    async chromium(namespace, origins = []) {
        const wrapper = join(await this.folder(), 'chromium');
        const [command, args] = namespace.inside(process.env.CHROMIUM ?? '/usr/bin/chromium');
        await writeFile(wrapper, `#!/bin/sh\nexec ${command} ${args.join(' ')} "$@"\n`, {
            mode: 0o755,
        });
        const browser = await launchChromium({
            executablePath: wrapper,
            args: [
                '--use-fake-device-for-media-stream=fps=15',
                `--unsafely-treat-insecure-origin-as-secure=${origins.join(',')}`,
                '--ignore-certificate-errors', /* the relay's is self-signed */
            ],
        });
        let stopped;
        const stop = () => (stopped ??= browser.stop());
        this.#closers.push(stop);
        return {
            stop,
            person: (url, { configuration = {}, servers, before = () => {} } = {}) => {
                const settings = JSON.stringify({ ...configuration, servers });
                const content = `(${smallCamera})();(${before})();(${overrideConfiguration})(${settings});`;
                return browser.person(url, { before: { content } });
            },
        };
    }

    async close() {
        const failures = [];
        for (const close of this.#closers.splice(0).reverse())
            await close().catch((error) => failures.push(error));
        this.network.close();
        if (failures.length) throw failures[0];
    }
}
