import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../../web/client/backoff.js';

test('pauses double from the first to the longest', () => {
    const backoff = new Backoff({ first: 100, most: 1000, jitter: 0 });
    assert.deepEqual(
        Array.from({ length: 6 }, () => backoff.next()),
        [100, 200, 400, 800, 1000, 1000],
    );
});

test('jitter takes away at most its part of a pause', () => {
    const shortest = new Backoff({ first: 1000, jitter: 0.5, random: () => 1 });
    const longest = new Backoff({ first: 1000, jitter: 0.5, random: () => 0 });
    assert.equal(shortest.next(), 500);
    assert.equal(longest.next(), 1000);
});

test('a success starts the pauses from the beginning', () => {
    const backoff = new Backoff({ first: 100, jitter: 0 });
    backoff.next();
    backoff.next();
    assert.equal(backoff.attempt, 2);
    backoff.reset();
    assert.equal(backoff.attempt, 0);
    assert.equal(backoff.next(), 100);
});

test('a thousand failures do not overflow', () => {
    const backoff = new Backoff({ most: 15000, jitter: 0 });
    for (let i = 0; i < 1000; i++) backoff.next();
    assert.equal(backoff.next(), 15000);
});
