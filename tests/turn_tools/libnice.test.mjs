// libnice's agents (tests/tools/nice_relay.c) meet by nothing but our server's relayed addresses.
//
// TURN_UNDER_TEST=coturn runs the same against coturn's server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { PASSWORD, startTurn, underTest, USER } from './turn_server.mjs';

const run = promisify(execFile);
const program = join(
    fileURLToPath(new URL('../..', import.meta.url)),
    process.env.BUILD ?? 'build',
    'tests/tools/nice_relay',
);
let server;

before(async () => {
    server = await startTurn(underTest, { addresses: ['127.0.0.1', '::1'] });
});
after(() => server?.stop());

async function meet(address, ...words) {
    const { stdout } = await run(program, [
        `--server=${address.includes(':') ? `[${address}]` : address}:${server.port}`,
        ...[`--user=${USER}`, `--password=${PASSWORD}`, '--messages=200'],
        ...words,
    ]);
    const pairs = stdout.match(/^pair .*$/gm);
    assert.equal(pairs.length, 2, stdout);
    for (const pair of pairs) {
        /* The far end is the other's relayed address, whether it was told or seen. */
        assert.match(pair, /^pair relay:\S+ (relay|prflx):\S+$/);
        for (const end of pair.split(' ').slice(1)) assert.ok(end.includes(address), pair);
    }
    assert.match(stdout, /^received 200 200$/m);
}

test('two NiceAgents meet by relayed candidates over UDP', () => meet('127.0.0.1'));
test('two NiceAgents meet by relayed candidates over TCP', () =>
    meet('127.0.0.1', '--transport=tcp'));
