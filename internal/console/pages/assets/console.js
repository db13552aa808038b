// Everything works without this script. It refreshes the open page, keeps the choice
// of colours, and adds keys.
(function () {
  "use strict";
  const root = document.documentElement;
  const main = document.getElementById("main");
  const theme = document.getElementById("theme");
  const freeze = document.getElementById("freeze");
  const keys = document.getElementById("keys");
  const help = document.getElementById("help");
  const search = document.getElementById("q");

  // Colours.
  const setTheme = function (name) {
    if (name === "light" || name === "dark") { root.dataset.theme = name; } else { delete root.dataset.theme; }
  };
  let stored = "system";
  try { stored = localStorage.getItem("theme") || "system"; } catch (e) { /* no storage: the system's colours */ }
  setTheme(stored);
  theme.value = stored;
  theme.parentElement.hidden = false;
  theme.addEventListener("change", function () {
    setTheme(theme.value);
    try { localStorage.setItem("theme", theme.value); } catch (e) { /* kept for this page only */ }
  });

  // Live updates: the stream says when, and the page reads itself again.
  let frozen = false;
  let busy = false;
  const edits = function () {
    const active = document.activeElement;
    return active && main.contains(active) && /^(INPUT|SELECT|TEXTAREA|BUTTON)$/.test(active.tagName);
  };
  const refresh = async function () {
    if (frozen || busy || document.hidden || edits()) { return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
      if (!answer.ok) { return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh && !frozen && !edits()) {
        const row = current;
        const link = document.activeElement && main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        const open = Array.from(main.querySelectorAll("details"), function (d) { return d.open; });
        document.title = page.title;
        main.replaceChildren(...fresh.childNodes);
        main.querySelectorAll("details").forEach(function (d, i) { d.open = Boolean(open[i]); });
        current = -1;
        if (row >= 0) { select(row, false); }
        if (link) {
          for (const a of main.querySelectorAll("a")) { if (a.getAttribute("href") === link) { a.focus(); break; } }
        }
      }
    } catch (e) { /* the next event tries again */ } finally { busy = false; }
  };
  const toggle = function () {
    frozen = !frozen;
    freeze.setAttribute("aria-pressed", String(frozen));
    freeze.textContent = frozen ? "Frozen" : "Freeze";
    if (!frozen) { refresh(); }
  };
  if (main.hasAttribute("data-live") && window.EventSource) {
    freeze.hidden = false;
    freeze.addEventListener("click", toggle);
    let first = true;
    const events = new EventSource("/console/stream");
    events.addEventListener("refresh", function () { if (first) { first = false; } else { refresh(); } });
    window.addEventListener("pagehide", function () { events.close(); });
  }

  // Keys.
  let current = -1;
  const rows = function () { return main.querySelectorAll("tbody tr"); };
  const select = function (n, focus) {
    const all = rows();
    if (all.length === 0) { return; }
    current = Math.max(0, Math.min(n, all.length - 1));
    all.forEach(function (row, i) { row.classList.toggle("current", i === current); });
    const link = all[current].querySelector("a");
    if (focus && link) { link.focus(); }
    if (focus) { all[current].scrollIntoView({ block: "nearest" }); }
  };
  const places = { o: "/console/", m: "/console/messages", b: "/console/batches", p: "/console/problems" };
  let goes = false;
  help.hidden = false;
  help.addEventListener("click", function () { keys.showModal(); });
  document.addEventListener("keydown", function (event) {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) { return; }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) { if (event.key === "Escape") { target.blur(); } return; }
    if (goes && places[event.key]) { goes = false; location.assign(places[event.key]); return; }
    goes = event.key === "g";
    switch (event.key) {
      case "/": event.preventDefault(); search.focus(); search.select(); break;
      case "?": event.preventDefault(); keys.showModal(); break;
      case "j": select(current + 1, true); break;
      case "k": select(current - 1, true); break;
      case "f": if (!freeze.hidden) { toggle(); } break;
      default:
    }
  });
})();
