/**
 * How a call starts, so that the first picture is there at once.
 *
 * A key frame may take nine frames' worth of the encoder's bitrate, and the pacer sends it no
 * faster than the estimate of the path: 300 kbit/s before anything was measured. So the estimate
 * starts higher than the encoder: the first key frame is small and leaves in one go, and half a
 * second later the encoder may use what the path was found to carry. Measured at 1280x720 with
 * much detail in the picture: 140 ms from match to frame instead of 580 (bench/first_frame.mjs).
 */

/** What the estimate of the path begins with, kbit/s. */
export const START_KBPS = 2000;
/** What the encoder may use until FIRST_TIME is over, bit/s. */
export const FIRST_BITRATE = 600000;
/** Milliseconds from the moment when media can flow. */
export const FIRST_TIME = 500;

/**
 * Puts Chromium's x-google-start-bitrate on the codec that an answer chose for video. Others
 * ignore it.
 * @param {string} sdp
 * @param {number} [kbps]
 */
export function withStartBitrate(sdp, kbps = START_KBPS) {
    const sections = sdp.split(/(?=^m=)/m);
    return sections.map((section) => startSection(section, kbps)).join('');
}

function startSection(section, kbps) {
    const type = /^m=video [1-9]\d* \S+ (\d+)/.exec(section)?.[1];
    if (!type || section.includes('x-google-start-bitrate')) return section;
    const hint = `x-google-start-bitrate=${kbps}`;
    const parameters = new RegExp(`^(a=fmtp:${type} [^\\r\\n]*)`, 'm');
    if (parameters.test(section)) return section.replace(parameters, `$1;${hint}`);
    return section.replace(
        new RegExp(`^(a=rtpmap:${type} [^\\r\\n]*)(\\r?\\n)`, 'm'),
        `$1$2a=fmtp:${type} ${hint}$2`,
    );
}
