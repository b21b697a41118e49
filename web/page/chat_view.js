/** The list of messages, the composer and the typing sign. Text goes in as text only. */
export class ChatView {
    /** Messages kept on the page; older ones go. */
    static MAX = 300;
    #list;
    #typing;
    #form;
    #input;
    #send;

    /**
     * @param {object} hooks
     * @param {(text: string) => Promise<{timestamp: number}>} hooks.send
     * @param {(typing: boolean) => void} hooks.typing
     * @param {(error: any) => string} hooks.explain
     */
    constructor(hooks) {
        const find = (id) => document.getElementById(id);
        this.#list = find('messages');
        this.#typing = find('typing');
        this.#form = find('composer');
        this.#input = find('text');
        this.#send = find('send');

        this.#form.addEventListener('submit', (event) => {
            event.preventDefault();
            this.#submit(hooks);
        });
        this.#input.addEventListener('input', () => {
            const typing = this.#input.value.trim() !== '';
            this.#send.disabled = !typing;
            hooks.typing(typing);
        });
    }

    get hasFocus() {
        return document.activeElement === this.#input;
    }

    focus() {
        if (!this.#input.disabled) this.#input.focus();
    }

    /** @param {boolean} enabled */
    setEnabled(enabled) {
        this.#input.disabled = !enabled;
        this.#input.placeholder = enabled ? 'Write a message' : 'Nobody to write to yet';
        this.#send.disabled = !enabled || this.#input.value.trim() === '';
    }

    /** @param {boolean} typing */
    setTyping(typing) {
        this.#typing.textContent = typing ? 'Your partner is typing…' : '';
    }

    clear() {
        this.#list.replaceChildren();
        this.setTyping(false);
    }

    /** A line of the page's own: who came, who went. @param {string} text */
    note(text) {
        const item = document.createElement('li');
        item.className = 'note';
        item.textContent = text;
        this.#append(item);
    }

    /** @param {{text: string, from: string, timestamp: number}} message */
    add(message) {
        const item = document.createElement('li');
        item.className = message.from === 'me' ? 'mine' : 'theirs';
        const who = document.createElement('span');
        who.className = 'label';
        who.textContent = message.from === 'me' ? 'You: ' : 'Partner: ';
        const text = document.createElement('p');
        text.textContent = message.text;
        const time = document.createElement('time');
        item.append(who, text, time);
        this.#setTime(time, message.timestamp);
        this.#append(item);
        return item;
    }

    async #submit(hooks) {
        const text = this.#input.value.trim();
        if (!text || this.#input.disabled) return;
        this.#input.value = '';
        this.#send.disabled = true;
        const item = this.add({ text, from: 'me', timestamp: Date.now() });
        item.classList.add('pending');
        try {
            const { timestamp } = await hooks.send(text);
            this.#setTime(item.querySelector('time'), timestamp);
        } catch (error) {
            item.classList.add('failed');
            item.querySelector('time').textContent = hooks.explain(error);
        }
        item.classList.remove('pending');
    }

    #setTime(element, timestamp) {
        const date = new Date(timestamp);
        element.dateTime = date.toISOString();
        element.textContent = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    }

    #append(item) {
        const list = this.#list;
        const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
        list.append(item);
        while (list.childElementCount > ChatView.MAX) list.firstElementChild.remove();
        if (atEnd || item.className === 'mine') list.scrollTop = list.scrollHeight;
    }
}
