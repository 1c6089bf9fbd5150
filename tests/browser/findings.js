// What is wrong on this page for a person who uses it, as sentences: axe-core's findings and four rules of our own.
const done = arguments[arguments.length - 1];
const findings = [];

// Not `innerWidth`: a phone makes its window as wide as its widest element.
if (document.documentElement.scrollWidth > screen.width) {
  // The innermost element that does not fit.
  const tooWide = [...document.querySelectorAll("body *")].filter((it) => it.getBoundingClientRect().right > screen.width).pop();
  const culprit = tooWide?.outerHTML.slice(0, 200);
  findings.push(`the page is ${document.documentElement.scrollWidth} px wide on ${screen.width}: ${culprit}`);
}
for (const foreign of document.querySelectorAll("[src], link[href]")) {
  const address = new URL(foreign.src || foreign.href, location.href);
  if (address.origin !== location.origin) findings.push(`${address} comes from another origin`);
}
const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
for (const id of new Set(ids.filter((it, at) => ids.indexOf(it) !== at))) findings.push(`id ${id} is used twice`);
// With scripts on, the content of `noscript` is text. What is in it counts for people who have scripts off.
const withoutScript = [...document.querySelectorAll("noscript")].map((it) => it.textContent).join("");
const reloads = /http-equiv="?refresh/i.test(withoutScript) || document.querySelector("meta[http-equiv=refresh i]");
const fields = document.querySelectorAll("input:not([type=hidden]), select, textarea");
if (reloads && fields.length > 0) findings.push("the page reloads itself beside form fields when scripts are off");

// The page's own refresh waits while axe-core looks at it.
const fetchNow = window.fetch;
let release;
const released = new Promise((resolve) => { release = resolve; });
window.fetch = async (...request) => { await released; return fetchNow(...request); };
// Off by default in axe-core, and part of WCAG 2.2 AA.
const rules = { "target-size": { enabled: true } };
axe.run(document, { rules, resultTypes: ["violations"] }).then(({ violations }) => {
  for (const { id, help, nodes } of violations) {
    for (const { html, failureSummary } of nodes) {
      findings.push(`axe ${id}: ${help}: ${html.slice(0, 200)}: ${failureSummary.replaceAll(/\s+/g, " ")}`);
    }
  }
}, (error) => { findings.push(`axe-core failed: ${error}`); }).finally(() => {
  window.fetch = fetchNow;
  release();
  done(findings);
});
