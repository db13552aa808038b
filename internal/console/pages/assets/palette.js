// The command palette: Ctrl-K or Cmd-K lists pages and controls by words, and searches
// for what is typed. Controls lead to their confirmation. The commands are in the page.
(function () {
  "use strict";
  const dialog = document.getElementById("palette");
  const input = document.getElementById("palette-input");
  const list = document.getElementById("palette-list");
  const found = document.getElementById("palette-found");
  const opener = document.getElementById("commands");
  const search = document.getElementById("q");
  const options = Array.from(list.children);
  const searching = options.pop(); // the last one searches for the text
  let selected = -1;

  const shown = function () { return options.concat(searching).filter(function (o) { return !o.hidden; }); };
  const select = function (n) {
    const all = shown();
    selected = all.length === 0 ? -1 : (n + all.length) % all.length;
    all.forEach(function (option, i) { option.setAttribute("aria-selected", String(i === selected)); });
    if (selected < 0) { input.removeAttribute("aria-activedescendant"); return; }
    input.setAttribute("aria-activedescendant", all[selected].id);
    all[selected].scrollIntoView({ block: "nearest" });
  };
  const applies = function (option) { return option.dataset.off !== "true"; };
  const filter = function () {
    const text = input.value.trim();
    const words = text.toLowerCase().split(/\s+/);
    options.forEach(function (option) {
      const name = option.textContent.toLowerCase();
      option.hidden = !applies(option) || !words.every(function (word) { return name.includes(word); });
    });
    searching.hidden = text === "";
    searching.lastElementChild.textContent = text;
    const n = shown().length;
    found.textContent = n === 1 ? "1 command" : n + " commands";
    select(0);
  };
  // A control is listed in one of its two directions, once the state is known.
  const readState = async function () {
    try {
      const answer = await fetch("/console/status.json", { credentials: "same-origin" });
      if (!answer.ok) { return; }
      const status = await answer.json();
      const paused = new Set(status.pauses.map(function (p) { return p.scope; }));
      options.forEach(function (option) {
        if (option.dataset.scope) { option.dataset.off = String(paused.has(option.dataset.scope) !== (option.dataset.paused === "true")); }
      });
      if (dialog.open) { filter(); }
    } catch (e) { /* both directions stay listed */ }
  };
  const run = function () {
    const option = shown()[selected];
    if (!option) { return; }
    dialog.close();
    if (option === searching) {
      search.value = input.value.trim();
      search.form.submit();
    } else {
      location.assign(option.dataset.href);
    }
  };
  const open = function () {
    if (document.querySelector("dialog[open]")) { return; }
    input.value = "";
    dialog.showModal();
    input.focus();
    filter();
    if (options.some(function (option) { return option.dataset.scope; })) { readState(); }
  };

  opener.hidden = false;
  opener.addEventListener("click", open);
  input.addEventListener("input", filter);
  list.addEventListener("click", function (event) {
    const at = shown().indexOf(event.target.closest("[role=option]"));
    if (at >= 0) { select(at); run(); }
  });
  input.addEventListener("keydown", function (event) {
    const keys = {
      ArrowDown: function () { select(selected + 1); }, ArrowUp: function () { select(selected - 1); },
      Enter: run
    };
    if (keys[event.key] && !event.isComposing) { event.preventDefault(); keys[event.key](); }
  });
  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog.open) { dialog.close(); } else { open(); }
    }
  });
})();
