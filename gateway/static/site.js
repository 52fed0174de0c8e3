/* Suggestions while typing: a WAI-ARIA combobox with a list. The form works without it. */
(() => {
    const make = name => document.createElement(name), input = document.getElementById("q"), list = make("ul");
    if (!input || navigator.connection?.saveData) return;
    let timer, request, at;
    const set = (element, all) => {
        for (const name in all) element.setAttribute(name, all[name]);
    };
    const choose = n => {
        at = n;
        [...list.children].forEach((item, i) => set(item, {"aria-selected": i === n}));
        set(input, {"aria-activedescendant": list.children[n]?.id ?? ""});
    };
    const show = items => {
        list.replaceChildren(...items.map((item, i) => {
            const li = make("li"), note = make("small");
            set(li, {id: "option-" + i, role: "option"});
            li.href = `/${item.kind}/${item.slug}`;
            note.textContent = item.year ?? (item.kind === "person" ? "Person" : "");
            li.append(item.title, " ", note);
            return li;
        }));
        list.hidden = !items.length;
        set(input, {"aria-expanded": !list.hidden});
        choose(-1);
    };
    const stop = () => {
        clearTimeout(timer);
        request?.abort();
    };
    const close = () => (stop(), show([]));
    const ask = async q => {
        request = new AbortController();
        try {
            const reply = await fetch("/suggest?q=" + encodeURIComponent(q), {signal: request.signal});
            show((await reply.json()).suggestions);
        } catch { /* no answer */ }
    };
    const go = item => item && (location = item.href);

    set(input, {role: "combobox", "aria-autocomplete": "list", "aria-controls": "suggestions"});
    set(list, {id: "suggestions", role: "listbox", "aria-label": "Suggestions"});
    input.after(list);
    show([]);
    input.oninput = () => {
        const q = input.value.trim();
        stop();
        if (q.length > 1) timer = setTimeout(ask, 120, q);
        else show([]);
    };
    input.onkeydown = e => {
        const n = list.children.length + 1, step = {ArrowDown: 1, ArrowUp: -1}[e.key];
        if (n > 1 && step) choose((at + 1 + step + n) % n - 1);
        else if (e.key === "Enter" && at >= 0) go(list.children[at]);
        else if (e.key === "Escape" && n > 1) close();
        else return;
        e.preventDefault();
    };
    input.onblur = close;
    list.onmousedown = e => e.preventDefault();
    list.onclick = e => go(e.target.closest("li"));
})();
