// Network namespaces of a test's own, joined by veth pairs. Their names carry the test's pid; they
// go away with the test, however it ends.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PREFIX = 'meetopia-test-';
const run = promisify(execFile);

const quiet = { stdio: ['ignore', 'pipe', 'pipe'] };
const ip = (...args) => execFileSync('ip', args, quiet);

function names() {
    return existsSync('/var/run/netns') ? readdirSync('/var/run/netns') : [];
}

/* Files in there take the place of those in /etc for programs run inside (ip-netns(8)). */
const files = (name) => `/etc/netns/${name}`;

function remove(name) {
    rmSync(files(name), { recursive: true, force: true });
    ip('netns', 'del', name);
}

/** Of tests that were killed before they could clear up. */
function removeOrphans() {
    for (const name of names()) {
        const [, pid] = new RegExp(`^${PREFIX}(\\d+)-`).exec(name) ?? [];
        if (pid && !existsSync(`/proc/${pid}`)) remove(name);
    }
}

/** Why these tests cannot run here; false: they can. */
export function unavailable() {
    if (process.getuid() !== 0) return 'network namespaces need root';
    const name = `${PREFIX}${process.pid}-probe`;
    try {
        ip('netns', 'add', name);
        ip('netns', 'exec', name, 'nft', 'add', 'table', 'inet', 'probe');
        return false;
    } catch (error) {
        return `no network namespaces or no nft: ${error.message.split('\n')[0]}`;
    } finally {
        if (names().includes(name)) ip('netns', 'del', name);
    }
}

export class Namespace {
    constructor(name) {
        this.name = name;
        ip('netns', 'add', name);
        /* An address that appears a second after its cable is a network that changes, to a browser. */
        for (const devices of ['all', 'default']) this.sysctl(`net.ipv6.conf.${devices}.accept_dad`, 0);
        this.ip('link set lo up');
    }

    /** Programs that are started inside from now on ask a name server of the namespace's own. */
    asksItself() {
        mkdirSync(files(this.name), { recursive: true });
        writeFileSync(join(files(this.name), 'resolv.conf'), 'nameserver 127.0.0.1\n');
    }

    /** A command line of ip(8), run inside. */
    ip(line) {
        ip('-n', this.name, ...line.split(' '));
    }

    /** A command line of tc(8), run inside. */
    tc(line) {
        execFileSync('tc', ['-n', this.name, ...line.split(' ')], quiet);
    }

    /** A script of nft(8), run inside. */
    nft(script) {
        execFileSync('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], {
            ...quiet,
            stdio: ['pipe', 'pipe', 'pipe'],
            input: script,
        });
    }

    sysctl(name, value) {
        execFileSync('ip', ['netns', 'exec', this.name, 'sysctl', '-qw', `${name}=${value}`], quiet);
    }

    /** The command and arguments that run a program inside. */
    inside(program, ...args) {
        return ['ip', ['netns', 'exec', this.name, program, ...args]];
    }

    /** Runs a program inside to its end; what it wrote. */
    async run(program, ...args) {
        return (await run(...this.inside(program, ...args))).stdout;
    }
}

/** All namespaces of a test file. */
export class Network {
    #namespaces = [];

    constructor() {
        removeOrphans();
        process.on('exit', () => this.close());
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
            process.on(signal, () => process.exit(1));
    }

    namespace(name) {
        const created = new Namespace(`${PREFIX}${process.pid}-${name}`);
        this.#namespaces.push(created);
        return created;
    }

    /**
     * A cable between two namespaces.
     * @param {[Namespace, string, ...string[]]} a namespace, interface, addresses with lengths
     * @param {[Namespace, string, ...string[]]} b
     */
    link([a, first, ...mine], [b, second, ...theirs]) {
        ip(
            ...['link', 'add', first, 'netns', a.name, 'type', 'veth'],
            ...['peer', 'name', second, 'netns', b.name],
        );
        for (const [namespace, device, addresses] of [
            [a, first, mine],
            [b, second, theirs],
        ]) {
            for (const address of addresses)
                namespace.ip(
                    `addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
                );
            namespace.ip(`link set ${device} up`);
        }
    }

    close() {
        for (const { name } of this.#namespaces.splice(0)) {
            try {
                remove(name);
            } catch {
                /* gone already */
            }
        }
    }
}
