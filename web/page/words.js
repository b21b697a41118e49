/**
 * What the page says, in plain words: a pure function of where the client is.
 *
 * @typedef {object} Words
 * @property {string} status one line, always there, read out by screen readers
 * @property {string} headline large, in the middle, while there is no picture
 * @property {string} hint what to do, or what happens next
 * @property {'quiet' | 'busy' | 'good' | 'bad'} tone
 */

const REASONS = {
    next: 'They went on to someone else.',
    left: 'They ended the chat.',
    disconnected: 'Their connection was lost.',
};

const REFUSALS = {
    ip_limit: 'There are too many open pages from your network.',
    server_full: 'The server is full right now.',
    connection_limit: 'The server is full right now.',
    shutting_down: 'The server is restarting.',
    origin_refused: 'This page may not use that server.',
};

/** @param {number} milliseconds */
function inTime(milliseconds) {
    const seconds = Math.max(1, Math.round(milliseconds / 1000));
    return seconds === 1 ? 'in a second' : `in ${seconds} seconds`;
}

/** @param {{position?: number, estimatedWaitTime?: number}} place */
function place({ position, estimatedWaitTime }) {
    const ahead = (position ?? 1) - 1;
    const line =
        ahead < 1
            ? 'You are next in line.'
            : ahead === 1
              ? 'One person is ahead of you.'
              : `${ahead} people are ahead of you.`;
    if (!estimatedWaitTime || estimatedWaitTime < 2000) return line;
    return `${line} About ${Math.round(estimatedWaitTime / 1000)} seconds.`;
}

/**
 * @param {string} state a ClientState
 * @param {Record<string, any>} detail what came with it
 * @param {import('../client/capture.js').CaptureMode} mode
 * @returns {Words}
 */
export function describe(state, detail = {}, mode = 'video') {
    switch (state) {
        case 'asking':
            return {
                status: 'Asking for your camera',
                headline: 'Allow your camera and microphone',
                hint: 'Your browser is asking. Choose “Allow” so that others can see and hear you.',
                tone: 'busy',
            };
        case 'connecting':
            return {
                status: 'Connecting to the server',
                headline: 'Connecting…',
                hint: detail.media ? 'Preparing sound and picture.' : 'This takes a moment.',
                tone: 'busy',
            };
        case 'ready':
            return {
                status: 'Ready',
                headline: 'You are all set',
                hint: 'Press Next to meet someone.',
                tone: 'quiet',
            };
        case 'waiting':
            return {
                status: 'Looking for someone',
                headline: 'Looking for someone…',
                hint: place(detail),
                tone: 'busy',
            };
        case 'matched':
            return {
                status: 'Found someone',
                headline: 'Found someone!',
                hint: 'Connecting sound and picture…',
                tone: 'busy',
            };
        case 'connected':
            return {
                status: mode === 'text' ? 'Connected, text only' : 'Connected',
                headline: mode === 'text' ? 'You are connected' : 'Your partner’s camera is off',
                hint: mode === 'text' ? 'Say hello in the chat.' : 'You can still talk and write.',
                tone: 'good',
            };
        case 'partner-reconnecting':
            return {
                status: 'Your partner is reconnecting',
                headline: 'One moment…',
                hint: 'Your partner’s connection was interrupted and may come back.',
                tone: 'busy',
            };
        case 'partner-left':
            return {
                status: 'Your partner left',
                headline: 'Your partner left',
                hint: `${REASONS[detail.reason] ?? ''} Press Next to meet someone else.`.trim(),
                tone: 'quiet',
            };
        case 'reconnecting':
            return {
                status: 'Reconnecting',
                headline: detail.draining ? 'The server is restarting' : 'The server can’t be reached',
                hint: `Trying again ${inTime(detail.retryMs ?? 1000)}.`,
                tone: 'bad',
            };
        case 'refused':
            return {
                status: 'Not connected',
                headline: 'The server said no',
                hint: `${REFUSALS[detail.code] ?? detail.message ?? ''} Trying again ${inTime(detail.retryMs ?? 1000)}.`.trim(),
                tone: 'bad',
            };
        default:
            return {
                status: 'Ready when you are',
                headline: 'Meet someone new',
                hint: 'One press, and you talk to a stranger, face to face. Your camera starts only then.',
                tone: 'quiet',
            };
    }
}

/**
 * Why there is less than camera and microphone; empty when nothing is missing.
 * @param {import('../client/capture.js').CaptureMode} mode
 * @param {import('../client/capture.js').CaptureTrouble | null} trouble
 */
export function describeTrouble(mode, trouble) {
    if (!trouble || mode === 'video') return '';
    const rest = mode === 'audio' ? 'You can be heard but not seen.' : 'You can chat by text.';
    switch (trouble) {
        case 'insecure':
            return `Camera and microphone need a secure page: open it with https://. ${rest}`;
        case 'refused':
            return `Camera and microphone are not allowed; you can change that in the address bar. ${rest}`;
        case 'missing':
            return `No ${mode === 'audio' ? 'camera' : 'camera or microphone'} was found. ${rest}`;
        case 'unsupported':
            return `This browser gives no camera or microphone to pages. ${rest}`;
        default:
            return `The camera is in use by another program. ${rest}`;
    }
}

/** What an error means to a person; empty for what they need not know. @param {string} code */
export function describeError(code) {
    switch (code) {
        case 'device_lost':
            return 'A camera or microphone was unplugged.';
        case 'no_media_path':
            return 'Your network lets no sound or picture through to the server. You can chat by text.';
        case 'rate_limit':
            return 'That was a little fast. Wait a second and try again.';
        case 'chat_too_long':
            return 'That message is too long: 500 characters at most.';
        case 'chat_bad_text':
        case 'chat_empty':
            return 'That message could not be sent.';
        case 'no_partner':
            return 'There is nobody here to read that.';
        case 'timeout':
            return 'The server did not answer. The message may not have arrived.';
        default:
            return '';
    }
}
