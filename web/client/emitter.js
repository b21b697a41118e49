/** Named events without a DOM: `on` returns what takes the listener away again. */
export class Emitter {
    /** @type {Map<string, Set<Function>>} */
    #listeners = new Map();

    /**
     * @param {string} name
     * @param {(detail: any) => void} listener
     * @returns {() => void} takes the listener away
     */
    on(name, listener) {
        if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
        this.#listeners.get(name).add(listener);
        return () => this.off(name, listener);
    }

    /**
     * @param {string} name
     * @param {Function} listener
     */
    off(name, listener) {
        this.#listeners.get(name)?.delete(listener);
    }

    /**
     * @param {string} name
     * @param {any} [detail]
     */
    emit(name, detail) {
        for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(detail);
    }
}
