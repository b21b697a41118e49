// A meetopia-relay of a test's own: free ports, a folder of its own, ended by its pid.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const program = join(root, process.env.BUILD ?? 'build', 'meetopia-relay');
const pageFolder = join(root, 'build/web');

/** @param {string[]} options further command-line options */
export async function startRelay(...options) {
    const folder = await mkdtemp(join(tmpdir(), 'meetopia-e2e-'));
    const log = join(folder, 'log');
    const child = spawn(
        program,
        [
            '--port=0',
            '--listening-port=0',
            `--web-root=${pageFolder}`,
            `--log-file=${log}`,
            '--log-level=debug',
            '--max-connections-per-ip=0',
            '--shutdown-grace=1',
            ...options,
        ],
        { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    const exited = once(child, 'exit');
    const announced = new Promise((resolve, reject) => {
        const read = (chunk) => {
            said += chunk;
            if (/media\s+UDP \d+/.test(said)) resolve();
        };
        child.stdout.setEncoding('utf8').on('data', read);
        child.stderr.setEncoding('utf8').on('data', read);
        exited.then(([code]) => reject(new Error(`the relay ended with ${code}: ${said}`)));
    });
    await announced;
    const port = Number(/localhost:(\d+)/.exec(said)[1]);
    const udpPort = Number(/UDP (\d+)/.exec(said)[1]);

    return {
        port,
        udpPort,
        pid: child.pid,
        url: `http://localhost:${port}`,
        log: () => readFile(log, 'utf8'),
        /** A counter or gauge of /metrics, labels as written there. */
        async metric(name) {
            const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
            const line = text.split('\n').find((l) => l.startsWith(`${name} `));
            return line ? Number(line.slice(name.length + 1)) : undefined;
        },
        async stop() {
            child.kill('SIGTERM');
            const [code, signal] = await exited;
            await rm(folder, { recursive: true, force: true });
            if (code !== 0) throw new Error(`the relay ended with ${code ?? signal}: ${said}`);
        },
        /** As a crash would end it. */
        async kill() {
            child.kill('SIGKILL');
            await exited;
            await rm(folder, { recursive: true, force: true });
        },
    };
}
