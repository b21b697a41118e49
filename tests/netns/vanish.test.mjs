// Clients that vanish: no goodbye, no more packets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { sleep, until } from '../e2e/lib/person.mjs';
import { unavailable } from './lib/network.mjs';
import { assertPlays, meet, watchQuietly } from './lib/playing.mjs';
import { Scene, SERVER } from './lib/scene.mjs';

const skip = unavailable();
const PATIENT_PORT = 3004;
const CONSENT = 30000; // RFC 7675, section 5.1
const CONSENT_EXPIRED = 'meetopia_refused_total{code="ice_consent_expired"}';
let scene;

before(() => {
    if (!skip) scene = new Scene();
});
after(() => scene?.close());

/* On one relay signaling notices first, by its pings; on the other, whose pings are slow, consent
 * does. Both lose a client at the same instant. */
test('a client that vanishes is noticed, freed and missed by nobody else', { skip }, async () => {
    const quick = await scene.relay({ options: ['--ping-interval=1000', '--ping-timeout=2000'] });
    const patient = await scene.relay({ port: PATIENT_PORT, udpPort: 3479 });
    const origins = [`http://${SERVER}:3003`, `http://${SERVER}:${PATIENT_PORT}`];
    const victim = scene.client('victim');
    const [doomed, staying] = await Promise.all([
        scene.chromium(victim, origins),
        scene.chromium(scene.client('staying'), origins),
    ]);

    const [gone, left, alone] = await Promise.all([
        doomed.person(quick.url),
        staying.person(quick.url),
        doomed.person(patient.url),
    ]);
    await Promise.all([meet(gone, left), alone.start()]);
    await alone.reaches('waiting');
    const others = await Promise.all([staying.person(quick.url), staying.person(quick.url)]);
    await meet(...others);
    assert.equal(await quick.metric('meetopia_peers'), 4);
    assert.equal(await patient.metric('meetopia_peers'), 1);

    victim.ip('link set eth0 down');
    const since = Date.now();
    const undisturbed = watchQuietly(others, 8, assertPlays);

    await until(async () => (await left.state()) !== 'connected', 'the partner was not told', 8000);
    await until(
        async () => (await quick.metric('meetopia_peers')) === 3,
        'the relay keeps a peer whose user is gone',
        4000,
    );
    console.log(`# the partner knew, and the relay was rid of it, after ${Date.now() - since} ms`);
    for (const seen of await undisturbed) assert.equal(seen.state, 'connected');

    /* The last check may be some seconds older than the cut. */
    await sleep(Math.max(0, CONSENT - 8000 - (Date.now() - since)));
    assert.equal(await patient.metric('meetopia_peers'), 1, 'freed while consent was fresh');
    await until(
        async () => (await patient.metric('meetopia_peers')) === 0,
        'the relay keeps a peer without consent',
        14000,
    );
    assert.equal(await patient.metric(CONSENT_EXPIRED), 1);
    console.log(`# consent was over after ${Date.now() - since} ms`);
    assert.equal(await quick.metric(CONSENT_EXPIRED), 0);
    for (const person of [left, ...others]) assert.deepEqual(person.errors, []);
});
