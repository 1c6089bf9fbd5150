// What somebody could not read or use on this page, as sentences.
const findings = [];
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((it, at) => (at === 3 ? it / 255 : it));
};
const over = (top, ground) => [0, 1, 2].map((at) => top[at] * top[3] + ground[at] * (1 - top[3]));
const ground = (element) => {
  const layers = [];
  for (let it = element; it; it = it.parentElement) {
    layers.push(rgba(getComputedStyle(it).backgroundColor));
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
};
const luminance = (colour) => {
  const [r, g, b] = colour.map((it) => {
    const share = it / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const isShown = (element) => element.checkVisibility() && element.getClientRects().length > 0
  && !element.closest(".sr, .skip, :disabled");

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  const text = texts.currentNode.textContent.trim();
  if (!text || !isShown(element) || element.matches("option, script, noscript")) continue;
  const style = getComputedStyle(element);
  const below = ground(element);
  const [a, b] = [luminance(over(rgba(style.color), below)), luminance(below)];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (contrast < (isLarge ? 3 : 4.5)) {
    findings.push(`"${text.slice(0, 40)}" stands out by ${contrast.toFixed(2)} alone`);
  }
}

for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (control.labels.length === 0 && !control.ariaLabel) findings.push(`${control.name} has no label`);
}
for (const control of document.querySelectorAll("button, a[href], summary")) {
  if (!control.textContent.trim() && !control.ariaLabel) findings.push(`${control.outerHTML} says nothing`);
}
if (document.querySelectorAll("h1").length !== 1) findings.push("there is not one first heading");
if (document.querySelectorAll("main").length !== 1) findings.push("there is not one main part");
if (!document.documentElement.lang) findings.push("no language is told");
const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
for (const id of new Set(ids.filter((it, at) => ids.indexOf(it) !== at))) findings.push(`id ${id} is there twice`);
// Not `innerWidth`: a phone makes its window as wide as what does not fit.
if (document.documentElement.scrollWidth > screen.width) {
  // The innermost of those that do not fit.
  const tooWide = [...document.querySelectorAll("body *")].filter((it) => it.getBoundingClientRect().right > screen.width).pop();
  const culprit = tooWide?.outerHTML.slice(0, 200);
  findings.push(`the page is ${document.documentElement.scrollWidth} px wide on ${screen.width}: ${culprit}`);
}
for (const foreign of document.querySelectorAll("[src], link[href]")) {
  const address = new URL(foreign.src || foreign.href, location.href);
  if (address.origin !== location.origin) findings.push(`${address} is from elsewhere`);
}
return findings;
