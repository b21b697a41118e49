// coturn's STUN clients (Debian's turnutils_stunclient and turnutils_natdiscovery) against our server:
// Binding, and the NAT behaviour discovery of RFC 5780, which needs two addresses.
//
// TURN_UNDER_TEST=coturn runs the same against coturn's server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startTurn, underTest } from './turn_server.mjs';

const run = promisify(execFile);
const skip = existsSync('/usr/bin/turnutils_natdiscovery') ? false : 'coturn is not installed';
let server, server6;

before(async () => {
    if (skip) return;
    server = await startTurn(underTest, {
        addresses: ['127.0.0.1', '127.0.0.2'],
        lines: underTest === 'relay' ? ['rfc5780'] : [], /* coturn has that anyway */
    });
    server6 = await startTurn(underTest, { addresses: ['::1'] });
});
after(() => Promise.all([server, server6].map((one) => one?.stop())));

const tool = async (name, on, ...words) =>
    (await run(`/usr/bin/turnutils_${name}`, [...words, '-p', String(on.port), on.address], {
        timeout: 20000,
    })).stdout;

test('turnutils_stunclient learns its address', { skip }, async () => {
    const said = await tool('stunclient', server, '-L', '127.0.0.3');
    assert.match(said, /UDP reflexive addr: 127\.0\.0\.3:\d+/);
});

test('turnutils_stunclient learns its address by IPv6', { skip }, async () => {
    assert.match(await tool('stunclient', server6), /UDP reflexive addr: ::1:\d+/);
});

test('turnutils_stunclient is told of the other address and asks it (RFC 5780)', { skip }, async () => {
    const said = await tool('stunclient', server, '-f', '-L', '127.0.0.3');
    assert.match(said, /Other addr: : 127\.0\.0\.2:/);
    const [, , second, third] = said.split('RFC 5780 response');
    assert.match(second, /Response origin: : 127\.0\.0\.2:/);
    assert.match(third, /UDP reflexive addr: 127\.0\.0\.3:/);
});

test('turnutils_natdiscovery finds no NAT', { skip }, async () => {
    const said = await tool('natdiscovery', server, '-m', '-f', '-L', '127.0.0.3');
    assert.match(said, /No NAT! \(Endpoint Independent Mapping\)/);
    assert.match(said, /NAT with Endpoint Independent Filtering/);
});

test('turnutils_natdiscovery does the same with 1500 bytes of padding', { skip }, async () => {
    const said = await tool('natdiscovery', server, '-m', '-f', '-P', '-L', '127.0.0.3');
    assert.match(said, /No NAT! \(Endpoint Independent Mapping\)/);
    assert.match(said, /NAT with Endpoint Independent Filtering/);
});

test('turnutils_natdiscovery sends itself a packet by way of its outer address', { skip }, async () => {
    const said = await tool('natdiscovery', server, '-H', '-L', '127.0.0.3');
    assert.match(said, /Received a request \(maybe a successful hairpinning\)/);
});

test('turnutils_natdiscovery looks for collisions of two addresses', { skip }, async () => {
    const port = String(30000 + (process.pid % 10000));
    const words = ['-c', '-L', '127.0.0.3', '-l', port, '-A', '127.0.0.4'];
    const said = await tool('natdiscovery', server, ...words);
    assert.match(said, new RegExp(`reflexive addr: 127\\.0\\.0\\.3:${port}`));
    assert.match(said, new RegExp(`reflexive addr: 127\\.0\\.0\\.4:${port}`));
});
