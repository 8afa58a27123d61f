// What pages can do beyond showing: light and dark, keys, choosing many, and looking again once something has changed.
// Everything is there without it, too.
"use strict";
(() => {
  const html = document.documentElement;
  const kept = (name, value, ofTab = false) => {
    try {
      const storage = ofTab ? sessionStorage : localStorage;
      if (value === undefined) return storage.getItem("llama_logging." + name);
      storage.setItem("llama_logging." + name, value);
    } catch { /* a browser that keeps nothing */ }
    return null;
  };
  const theme = kept("theme"); // at once: the page must not be drawn in the wrong one first
  if (theme === "light" || theme === "dark") html.dataset.theme = theme;

  document.addEventListener("DOMContentLoaded", () => {
    const $ = (selector, within = document) => within.querySelector(selector);
    const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
    const root = document.body.dataset.root;

    // --- light and dark
    $("#theme").hidden = $("#keys").hidden = false;
    $("#theme").addEventListener("click", () => {
      const dark = html.dataset.theme ? html.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      html.dataset.theme = dark ? "light" : "dark";
      kept("theme", html.dataset.theme);
    });

    // --- what a new fragment must be given
    const prepare = () => {
      for (const time of $$("time[datetime]")) time.title = new Date(time.dateTime).toLocaleString() + " · " + time.title;
      const all = $("#all");
      if (all) all.hidden = false;
      for (const box of $$("[data-kept]")) box.checked = kept(box.id) === "yes";
      count();
    };
    const boxes = () => $$(".tick input");
    const count = () => {
      const chosen = boxes().filter((box) => box.checked).length;
      for (const box of boxes()) box.closest("li").classList.toggle("chosen", box.checked);
      const all = $("#all");
      if (!all) return;
      for (const button of $$("#deeds button")) button.disabled = !chosen;
      for (const summary of $$("#deeds summary")) summary.setAttribute("aria-disabled", !chosen);
      all.checked = chosen > 0 && chosen === boxes().length;
      all.indeterminate = chosen > 0 && !all.checked;
      $("#chosen").textContent = chosen ? chosen + " chosen" : "Choose groups";
    };
    document.addEventListener("change", (event) => {
      if (event.target.id === "all") for (const box of boxes()) box.checked = event.target.checked;
      if (event.target.matches("[data-kept]")) kept(event.target.id, event.target.checked ? "yes" : "no");
      count();
    });

    // --- menus close, Markdown is copied
    document.addEventListener("click", async (event) => {
      for (const menu of $$(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
      const link = event.target.closest("[data-copy]");
      if (!link || !navigator.clipboard || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const label = link.textContent;
      try {
        await navigator.clipboard.writeText(await (await fetch(link.href)).text());
        link.textContent = "Copied";
        setTimeout(() => { link.textContent = label; }, 1500);
      } catch { location.href = link.href; }
    });

    // --- keys
    const items = () => $$("[data-item]", $("#live")).filter((item) => item.tagName !== "ARTICLE");
    const current = () => {
      const item = document.activeElement.closest("[data-item]");
      return item && item.tagName !== "ARTICLE" ? item : null;
    };
    const go = (at) => {
      const list = items();
      const item = list[Math.min(list.length - 1, Math.max(0, at))];
      if (!item) return;
      $("a", item).focus({ preventScroll: true });
      item.scrollIntoView({ block: "nearest" });
    };
    const move = (by) => {
      const at = items().indexOf(current());
      go(at < 0 && by < 0 ? items().length - 1 : at + by);
    };
    const decide = (deed) => {
      const article = $("article[data-item]");
      const item = article || current();
      const form = article ? $("form.deeds") : $("form.bulk");
      if (!form) return;
      if (deed === "resolve" && item && item.dataset.state === "resolved") deed = "reopen";
      if (deed === "mute" && item && item.dataset.state === "muted") deed = "reopen";
      if (!article && !boxes().some((box) => box.checked)) {
        if (!item) return;
        $(".tick input", item).checked = true;
      }
      if (!article && item) kept("at", items().indexOf(item));
      const button = document.createElement("button");
      button.name = "do";
      button.value = deed;
      button.hidden = true;
      form.append(button);
      form.requestSubmit(button);
    };
    const help = $("#help");
    $("#keys").addEventListener("click", () => help.showModal());
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
      if (event.key === "Escape") {
        for (const menu of $$(".menu[open]")) { menu.open = false; $("summary", menu).focus(); }
        if (document.activeElement.id === "find") document.activeElement.blur();
        return;
      }
      if (event.target.matches("input[type=search], input[type=text], textarea, select") || $("#no-keys").checked) return;
      const item = current();
      const acts = {
        j: () => move(1),
        k: () => move(-1),
        o: () => item && $("a", item).click(),
        x: () => { if (item && $(".tick input", item)) { $(".tick input", item).click(); $("a", item).focus(); } },
        r: () => decide("resolve"),
        m: () => decide("mute"),
        u: () => { location.href = root + "/" + (kept("groups", undefined, true) ?? ""); }, // as they were narrowed and sorted
        "/": () => { $("#find").focus(); $("#find").select(); },
        "?": () => help.showModal(),
      };
      const act = acts[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });

    // --- looking again
    const pulse = $("#pulse"), begun = Date.now();
    let asked = 0, waiting = false;
    const named = (node) => node.dataset?.item || node.dataset?.key || node.getAttribute?.("id") || ""; // .id of a form may be a field
    // What somebody is about to decide about: in a storm others push it from the page.
    const held = (node) => node.matches?.("li[data-item], tr[data-item]") && ($(".tick input:checked", node) || node.contains(document.activeElement));
    // Piece by piece, and not as a whole: what stays keeps its focus, what is selected in it, how far it is scrolled, and what was chosen.
    const become = (old, next) => {
      if (old.nodeType !== Node.ELEMENT_NODE) {
        if (old.data !== next.data) old.data = next.data;
        return;
      }
      const stays = old.matches("details[data-key]") ? "open" : "";
      for (const { name } of [...old.attributes]) if (name !== stays && !next.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of next.attributes) if (name !== stays && old.getAttribute(name) !== value) old.setAttribute(name, value);
      const names = new Set([...next.children].map(named));
      for (const each of [...old.children]) if (!names.has(named(each)) && !held(each)) each.remove();
      let at = old.firstChild;
      for (const child of [...next.childNodes]) {
        let same = at;
        while (same && !(same.nodeName === child.nodeName && named(same) === named(child))) same = same.nextSibling;
        if (!same) { old.insertBefore(child, at); continue; }
        if (same === at) at = at.nextSibling;
        else old.insertBefore(same, at);
        become(same, child);
      }
      while (at) { const gone = at; at = at.nextSibling; if (!held(gone)) gone.remove(); }
    };
    const renew = async () => {
      if (waiting) return;
      waiting = true;
      await new Promise((over) => setTimeout(over, Math.max(0, asked + 1500 - Date.now())));
      waiting = false;
      asked = Date.now();
      let answer;
      // Whoever reads an error goes on reading it, though newer ones come.
      const error = $("article[data-error]")?.dataset.error;
      const address = error ? root + "/e/" + encodeURIComponent(error) + location.search : location.href;
      try { answer = await fetch(address, { headers: { "x-fragment": "1" } }); } catch { return; }
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (!next) return;
      const focused = document.activeElement;
      become($("#live"), next);
      prepare();
      if (focused.isConnected) focused.focus({ preventScroll: true }); // what has moved has lost it
      if (Date.now() - begun > 8000) $(".told")?.remove();
      pulse.classList.remove("beat");
      requestAnimationFrame(() => pulse.classList.add("beat"));
    };
    prepare();
    // What was done is said once, and not to those who are sent the address; who did it by a key goes on from there.
    const here = new URL(location.href);
    if (here.searchParams.has("did")) {
      for (const name of ["did", "many"]) here.searchParams.delete(name);
      history.replaceState(null, "", here);
      if (kept("at")) go(Number(kept("at")));
      kept("at", "");
    }
    if (document.body.dataset.page === "groups") kept("groups", location.search, true);
    const say = (state) => { pulse.hidden = false; pulse.classList.toggle("off", state !== "live"); $("b", pulse).textContent = state; };
    let source = null;
    const rest = () => { source?.close(); source = null; };
    // A browser has six connections to a server: pages that nobody sees would leave none to the next.
    const listen = () => {
      if (document.hidden) rest();
      if (source || document.hidden || !$("#live").dataset.pulse) return;
      source = new EventSource(root + "/live?seen=" + encodeURIComponent($("#live").dataset.pulse));
      source.onopen = () => say("live");
      source.addEventListener("down", () => say("registry down"));
      source.addEventListener("up", () => say("live"));
      source.onmessage = (event) => { if (event.data !== $("#live").dataset.pulse) renew(); };
      source.onerror = () => {
        say("waiting");
        if (source?.readyState !== EventSource.CLOSED) return; // it tries again by itself
        rest();
        setTimeout(listen, 5000);
      };
    };
    listen();
    document.addEventListener("visibilitychange", listen);
    addEventListener("pagehide", rest);
    addEventListener("pageshow", () => { count(); listen(); }); // a browser that comes back chooses again what was chosen
  });
})();
