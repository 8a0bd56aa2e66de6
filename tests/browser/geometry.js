// What is wrong with how an Explorer is laid out: parts that lie over one another, stick out, scroll, or cut off their words.
(root) => {
  const wrong = [];
  const seen = (part) => part.getClientRects().length > 0 && getComputedStyle(part).visibility !== "hidden";
  const name = (part) => `${part.tagName.toLowerCase()}.${[...part.classList].join(".")}`;
  const all = [...root.querySelectorAll("*")].filter(seen);
  const frame = root.getBoundingClientRect();
  const inPicture = (part) => part.closest("svg") !== null && part.tagName !== "svg";
  for (const part of all) {
    const box = part.getBoundingClientRect();
    const out = box.right > frame.right + 1 || box.bottom > frame.bottom + 1 || box.left < frame.left - 1;
    if (out && box.width && !inPicture(part) && !part.closest("[title]")) wrong.push(`${name(part)} of ${name(part.parentElement)} sticks out`);
  }
  const areas = [
    ".tradespace-bar > .top", ".tradespace-bar > .head", ".tradespace-at-controls", ".tradespace-tiles > .list",
    ".tradespace-tiles > .words", ".tradespace-chart",
  ].flatMap((selector) => [...root.querySelectorAll(selector)].filter(seen));
  areas.forEach((one, i) => {
    const a = one.getBoundingClientRect();
    for (const other of areas.slice(i + 1)) {
      const b = other.getBoundingClientRect();
      const over = a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
      if (over) wrong.push(`${name(one)} lies over ${name(other)}`);
    }
  });
  for (const part of [root, ...all]) {
    const { overflowY } = getComputedStyle(part);
    const scrolls = part.scrollHeight > part.clientHeight + 1 && ["auto", "scroll"].includes(overflowY);
    if (scrolls) wrong.push(`${name(part)} scrolls`);
  }
  // Words that are cut off may be read elsewhere: in a title of their own, or of what they are part of.
  for (const part of all.filter((one) => one.childNodes.length && one.innerText?.trim())) {
    const { overflowX, overflowY } = getComputedStyle(part);
    const wide = part.scrollWidth > part.clientWidth + 1 && overflowX !== "visible";
    const tall = part.scrollHeight > part.clientHeight + 1 && overflowY !== "visible";
    if ((wide || tall) && !part.closest("[title]")) wrong.push(`${name(part)} cuts off "${part.innerText.slice(0, 60)}"`);
  }
  // Text in pictures, which no box cuts off.
  for (const text of [...root.querySelectorAll("svg text")].filter(seen)) {
    const box = text.getBoundingClientRect();
    const picture = text.closest("svg").getBoundingClientRect();
    const out = box.left < picture.left - 1 || box.right > picture.right + 1 || box.bottom > picture.bottom + 1;
    if (box.width && out) wrong.push(`"${text.textContent}" sticks out of its picture`);
  }
  return wrong;
};
