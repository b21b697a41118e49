/**
 * The client library of Meetopia Relay: one import, no framework.
 *
 *     import { MeetopiaClient } from './client/index.js';
 *
 *     const client = new MeetopiaClient();
 *     client.on('remote-stream', (stream) => { video.srcObject = stream; });
 *     client.on('chat', (message) => show(message.text));
 *     await client.start();
 */
export { MeetopiaClient } from './meetopia_client.js';
export { Backoff } from './backoff.js';
