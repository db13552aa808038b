const page = {
  // locate finds the visible elements of a kind with a name, scrolls the only one into
  // view, and returns its middle.
  locate: function (wanted) {
    const all = Array.from(document.querySelectorAll(wanted.tag)).filter(function (element) {
      const near = element.closest("tr, dl > div") || element.closest("section, form, header, main");
      const name = element.innerText.trim().split("\n")[0];
      return element.checkVisibility() && (!wanted.name || name === wanted.name) &&
        (wanted.near || []).every(function (text) { return near && near.innerText.includes(text); });
    });
    if (all.length !== 1) { return { found: all.length, x: 0, y: 0 }; }
    const element = all[0].control || all[0];
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const box = element.getClientRects()[0];
    return { found: 1, x: box.left + box.width / 2, y: box.top + box.height / 2 };
  },
  loaded: function () { return document.readyState === "complete" ? location.pathname + " " + performance.timeOrigin : ""; },
  text: function () { return document.readyState === "complete" ? document.getElementById("main").innerText : ""; },
  heading: function () { return document.querySelector("h1").innerText; },
  source: function () { return document.documentElement.outerHTML; },
  asOf: function () { return document.getElementById("as-of").innerText; },
  frozen: function () { return document.getElementById("freeze").getAttribute("aria-pressed") === "true"; },
  // excess is how many pixels the document is wider than the window.
  excess: function (width) { return document.scrollingElement.scrollWidth - width; },
  focus: function () {
    const at = document.activeElement;
    const row = at.closest("tbody tr");
    return {
      id: at.id, row: row ? Array.from(row.parentElement.children).indexOf(row) : -1,
      dialog: document.getElementById("keys").open,
    };
  },
  hasAxe: function () { return typeof axe !== "undefined"; },
  // violations are those that axe-core finds.
  violations: async function () {
    const found = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] });
    return found.violations.map(function (rule) {
      return { id: rule.id, help: rule.help, nodes: rule.nodes.map(function (node) { return node.html.slice(0, 300) + " " + node.failureSummary; }) };
    });
  },
};
