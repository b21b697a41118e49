import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describe, describeError, describeTrouble } from '../../web/page/words.js';

const STATES = [
    'idle', 'asking', 'connecting', 'ready', 'waiting', 'matched', 'connected',
    'partner-reconnecting', 'partner-left', 'reconnecting', 'refused',
];

test('every state has a status, a headline and a hint of its own', () => {
    const seen = new Set();
    for (const state of STATES) {
        const { status, headline, hint, tone } = describe(state);
        assert.ok(status && headline && hint, state);
        assert.ok(['quiet', 'busy', 'good', 'bad'].includes(tone), state);
        assert.ok(!seen.has(status), `${status} is said twice`);
        seen.add(status);
        assert.doesNotMatch(status + headline + hint, /undefined|NaN|null/, state);
    }
});

test('a waiting person reads how many are ahead', () => {
    assert.match(describe('waiting', { position: 1 }).hint, /next in line/);
    assert.match(describe('waiting', { position: 2 }).hint, /One person is ahead/);
    assert.match(describe('waiting', { position: 8 }).hint, /7 people are ahead/);
    assert.match(describe('waiting', { position: 1, estimatedWaitTime: 12000 }).hint, /12 seconds/);
});

test('a partner who leaves leaves a reason and what to do next', () => {
    for (const reason of ['next', 'left', 'disconnected', 'something new', undefined])
        assert.match(describe('partner-left', { reason }).hint, /Press Next/);
    assert.match(describe('partner-left', { reason: 'disconnected' }).hint, /lost/);
});

test('text mode is not told about a camera that is off', () => {
    assert.match(describe('connected', {}, 'text').hint, /chat/);
    assert.match(describe('connected', {}, 'video').headline, /camera is off/);
});

test('an unreachable server and a restarting one read differently', () => {
    assert.match(describe('reconnecting', { retryMs: 4000 }).hint, /in 4 seconds/);
    assert.match(describe('reconnecting', { draining: true }).headline, /restarting/);
});

test('an insecure page says https', () => {
    assert.match(describeTrouble('text', 'insecure'), /https/);
});

test('trouble says what is left, and nothing when nothing is missing', () => {
    assert.equal(describeTrouble('video', null), '');
    assert.equal(describeTrouble('text', null), '');
    assert.match(describeTrouble('text', 'refused'), /chat by text/);
    assert.match(describeTrouble('audio', 'missing'), /heard but not seen/);
});

test('an unknown error says nothing to a person', () => {
    assert.equal(describeError('sdp_malformed'), '');
    assert.match(describeError('chat_too_long'), /500/);
});
