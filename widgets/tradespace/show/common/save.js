// Saving a chart as a file of its own: SVG with its styles written out, or PNG drawn from that.
import { symbolPath } from "./pure/symbols.js";

const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "display",
];
const TOP = 34,
  LINE = 20,
  SCALE = 2;

export function download(name, type, content) {
  const link = document.createElement("a");
  link.href =
    content instanceof Blob ? URL.createObjectURL(content) : URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function downloadPng(name, svg) {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = SCALE * image.width;
    canvas.height = SCALE * image.height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => download(name, "image/png", blob));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
}

// The text of an SVG that needs no page around it: a legend of `marks` above, `lines` of words below.
export function standalone(node, marks, lines) {
  const width = node.clientWidth,
    height = node.clientHeight,
    space = "http://www.w3.org/2000/svg";
  const copy = node.cloneNode(true),
    page = getComputedStyle(node.parentNode);
  const originals = node.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((element, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of STYLES) element.style.setProperty(name, style.getPropertyValue(name));
  });
  const root = document.createElementNS(space, "svg");
  const total = TOP + height + LINE * (lines.length + 1);
  for (const [name, value] of Object.entries({ width, height: total, viewBox: `0 0 ${width} ${total}` }))
    root.setAttribute(name, value);
  const add = (tag, attributes, text) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    root.append(element);
    return element;
  };
  const ground = page.getPropertyValue("--ground").trim() || "#fff",
    ink = page.color,
    font = "system-ui, sans-serif";
  add("rect", { width, height: total, fill: ground });
  let left = 90;
  for (const [name, mark] of marks) {
    add("path", { d: symbolPath(mark.symbol, 110), fill: mark.colour, transform: `translate(${left},18)` });
    const text = add("text", { x: left + 14, y: 23, fill: ink, "font-family": font, "font-size": 14 }, name);
    left += 40 + 8 * text.textContent.length;
  }
  copy.setAttribute("y", TOP);
  root.append(copy);
  lines.forEach((line, i) => {
    add("text", { x: 20, y: TOP + height + LINE * (i + 1), fill: ink, "font-family": font, "font-size": 13 }, line);
  });
  return new XMLSerializer().serializeToString(root);
}
